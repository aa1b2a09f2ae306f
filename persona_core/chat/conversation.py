"""Conversation: the turns of a chat with their receipts, trimmed to what fits into the model's context."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from persona_core.base.messages import Message
from persona_core.base.records import Record
from persona_core.engine.receipt import Receipt

_TRIMMED_TO = 0.75
"""When trimming, go down to this share of the context, so later turns keep the same beginning and reuse its cache."""


class Turn(Record):
    """A question, its reply with the receipt, and the vectors that steered it (persona -> digest of its file).

    `projections` holds axis -> one projection a token. `prompted` names the persona whose own system prompt the model
    was given; it is empty where none was.
    """

    kind: Literal["turn"] = "turn"
    user: str
    text: str
    receipt: Receipt
    vectors: dict[str, str] = Field(default_factory=dict)
    projections: dict[str, list[float]] = Field(default_factory=dict)
    prompted: str = ""


@dataclass
class Conversation:
    """All turns so far. The model no longer reads the first `skipped` of them; they stay here and in the file."""

    system: str = ""
    turns: list[Turn] = field(default_factory=list)
    skipped: int = 0

    @property
    def history(self) -> list[Mapping[str, float]]:
        """What capping policies see: axis -> mean projection, one mapping for each turn that was read."""
        projections = [turn.receipt.assistant_projection for turn in self.turns]
        return [{"assistant": projection} for projection in projections if projection is not None]

    def messages(self, question: str, prompt: str = "") -> list[Message]:
        """Return what the model reads: one system message, the turns that fit, and the question.

        `prompt` is a persona's own system prompt; it comes before the user's.
        """
        system = "\n\n".join(text for text in (prompt, self.system) if text)
        turns = [message for turn in self.turns[self.skipped :] for message in _turn_messages(turn)]
        return [*([_message("system", system)] if system else []), *turns, _message("user", question)]

    def undo(self) -> Turn | None:
        """Remove the last turn and return it; return None before the first."""
        if not self.turns:
            return None
        turn = self.turns.pop()
        self.skipped = min(self.skipped, len(self.turns))
        return turn

    def before_the_last(self) -> Conversation:
        """Return a conversation without the last turn; this one does not change."""
        kept = self.turns[:-1]
        return Conversation(self.system, kept, min(self.skipped, len(kept)))

    def clear(self) -> None:
        """Remove every turn; the system prompt stays."""
        self.turns.clear()
        self.skipped = 0

    def fit(self, question: str, prompt: str, n_tokens: Callable[[Sequence[Message]], int], room: int) -> int:
        """Skip whole turns, the oldest first, until the messages fit into `room` tokens; return how many were skipped.

        A question that is too long on its own is not cut: the engine refuses it.
        """
        before = self.skipped
        if n_tokens(self.messages(question, prompt)) > room:
            while self.skipped < len(self.turns) and n_tokens(self.messages(question, prompt)) > _TRIMMED_TO * room:
                self.skipped += 1
        return self.skipped - before


def _turn_messages(turn: Turn) -> tuple[Message, Message]:
    return _message("user", turn.user), _message("assistant", turn.text)


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}
