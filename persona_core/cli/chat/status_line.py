"""The status line under the chat: persona, strength, safety, tokens a second, context used, and gauges of both axes."""

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
    """A clock for the tokens of one reply; it starts with the reply's first piece."""

    started: float = field(default_factory=time.monotonic)
    tokens: int = 0
    first: int = 0
    ended: float = 0.0

    def begin(self, tokens: int) -> None:
        """Start the clock once the prompt has been read and the first tokens are there."""
        self.started, self.first, self.tokens = time.monotonic(), tokens, tokens

    @property
    def rate(self) -> float | None:
        """Tokens a second since the first piece; None where no more tokens have come."""
        seconds, tokens = (self.ended or time.monotonic()) - self.started, self.tokens - self.first
        return tokens / seconds if tokens > 0 and seconds > 0 else None


def status_line(session: ChatSession, speed: Speed, plain: bool = False) -> str:
    """Return the line, in as many lines as the terminal needs; it says so while the model is loading."""
    if not session.loading.done():
        return f"{session.status()} · loading the model…"
    if session.loading.exception() is not None:
        return "the model could not be loaded"
    fields = [session.status()]
    if speed.rate is not None:
        fields.append(f"{speed.rate:.0f} tokens/s")
    fields += [_context(session), *_gauges(session, plain)]
    return in_lines([field for field in fields if field], shutil.get_terminal_size().columns)


def in_lines(texts: Sequence[str], width: int) -> str:
    """Return the texts joined into as many lines as they need; no text is broken."""
    lines = [""]
    for text in texts:
        joined = f"{lines[-1]} · {text}" if lines[-1] else text
        lines = [*lines[:-1], joined] if len(joined) <= width or not lines[-1] else [*lines, text]
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
