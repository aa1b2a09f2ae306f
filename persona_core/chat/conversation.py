"""A conversation: turns with their receipts, and the part of it that fits into the model's context."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from persona_core.base.messages import Message
from persona_core.base.records import Record
from persona_core.engine.receipt import Receipt

_TRIMMED_TO = 0.75
"""Of the room, once a conversation is trimmed: the turns after that keep their beginning, and with it the cache."""


class Turn(Record):
    """A question, its reply, what was done to the reply, and which vectors did it (persona -> digest of its file).

    `prompted` is the persona whose own system prompt the model was given, if one was.
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
    """All turns so far. The first `skipped` of them no longer fit; they stay here and in the session's file."""

    system: str = ""
    turns: list[Turn] = field(default_factory=list)
    skipped: int = 0

    @property
    def history(self) -> list[Mapping[str, float]]:
        """What capping policies are shown: probe -> mean projection, one mapping a turn that has any."""
        read = [turn.receipt.assistant_projection for turn in self.turns]
        return [{"assistant": value} for value in read if value is not None]

    def messages(self, question: str, prompt: str = "") -> list[Message]:
        """Return what the model is asked: system prompts, the turns that fit, and the question.

        `prompt` is a persona's own system prompt; it comes before the user's.
        """
        system = "\n\n".join(part for part in (prompt, self.system) if part)
        said = [message for turn in self.turns[self.skipped :] for message in _said(turn)]
        return [*([_message("system", system)] if system else []), *said, _message("user", question)]

    def undo(self) -> Turn | None:
        """Take back the last turn."""
        if not self.turns:
            return None
        turn = self.turns.pop()
        self.skipped = min(self.skipped, len(self.turns))
        return turn

    def before_the_last(self) -> Conversation:
        """Return the conversation as it was before its last turn; this one stays as it is."""
        kept = self.turns[:-1]
        return Conversation(self.system, kept, min(self.skipped, len(kept)))

    def clear(self) -> None:
        """Forget every turn; the system prompt stays."""
        self.turns.clear()
        self.skipped = 0

    def fit(self, question: str, prompt: str, n_tokens: Callable[[Sequence[Message]], int], room: int) -> int:
        """Skip whole turns, the oldest first, until all fits into `room` tokens; return how many more are skipped.

        A question that is too long on its own is left as it is: what asks the model says so.
        """
        before = self.skipped
        if n_tokens(self.messages(question, prompt)) > room:
            while self.skipped < len(self.turns) and n_tokens(self.messages(question, prompt)) > _TRIMMED_TO * room:
                self.skipped += 1
        return self.skipped - before


def _said(turn: Turn) -> tuple[Message, Message]:
    return _message("user", turn.user), _message("assistant", turn.text)


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}
