"""The status line: who speaks, how strongly and how safely, how fast, how full the context is, and both axes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from persona_core.chat.session import ChatSession
from persona_core.cli.chat.pictures import gauge

_GAUGE = 9


@dataclass
class Speed:
    """Tokens a second of the reply that is being made, or of the last one, from its first piece on."""

    started: float = field(default_factory=time.monotonic)
    tokens: int = 0
    first: int = 0
    ended: float = 0.0

    def begin(self, tokens: int) -> None:
        """Start the clock: reading the prompt is over, and the first tokens are there."""
        self.started, self.first, self.tokens = time.monotonic(), tokens, tokens

    @property
    def rate(self) -> float | None:
        """Tokens a second; None before there are enough to tell."""
        spent, made = (self.ended or time.monotonic()) - self.started, self.tokens - self.first
        return made / spent if made > 0 and spent > 0 else None


def status_line(session: ChatSession, speed: Speed, plain: bool = False) -> str:
    """Return the line; before the model is loaded it says so."""
    if not session.loading.done():
        return f"{session.status()} · loading the model…"
    if session.loading.exception() is not None:
        return "the model could not be loaded"
    parts = [session.status()]
    if speed.rate is not None:
        parts.append(f"{speed.rate:.0f} tokens/s")
    parts += [_context(session), *_gauges(session, plain)]
    return in_lines([part for part in parts if part], shutil.get_terminal_size().columns)


def in_lines(parts: Sequence[str], width: int) -> str:
    """Return the parts in as many lines as they need; none is broken."""
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]} · {part}" if lines[-1] else part
        lines = [*lines[:-1], joined] if len(joined) <= width or not lines[-1] else [*lines, part]
    return "\n".join(lines)


def _context(session: ChatSession) -> str:
    if not session.conversation.turns:
        return ""
    receipt = session.conversation.turns[-1].receipt
    used = (receipt.prompt_tokens + receipt.reply_tokens) / session.engine.model.context_length
    return f"context {used:.0%}"


def _gauges(session: ChatSession, plain: bool) -> list[str]:
    if not session.conversation.turns:
        return []
    receipt = session.conversation.turns[-1].receipt
    shown = []
    for label, value, edge in (
        ("assistant", receipt.assistant_projection, session.calibrated_edge()),
        ("safety", receipt.safety_projection, session.floor_value()),
    ):
        if value is not None and edge is not None:
            room = max(abs(value - edge), abs(edge), 1.0)
            shown.append(f"{label} {gauge(value, edge - room, edge + room, _GAUGE, edge, plain)}")
    return shown
