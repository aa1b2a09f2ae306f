"""Rollout: one question answered under one condition, as text and as the exact tokens."""

from dataclasses import dataclass
from typing import Literal

Message = dict[str, str]
Condition = Literal["persona", "default"]


@dataclass(frozen=True)
class Rollout:
    """`token_ids[response_start:]` is the reply as it was sampled; `score` is a judge's, where one has read it."""

    messages: tuple[Message, ...]
    response: str
    response_start: int
    condition: Condition
    token_ids: tuple[int, ...]
    score: float | None = None

    @property
    def n_response_tokens(self) -> int:
        """The length of the reply in tokens."""
        return len(self.token_ids) - self.response_start


def chat(user: str, system: str = "") -> tuple[Message, ...]:
    """Return a conversation of one question, with a system prompt where there is one."""
    system_part = ({"role": "system", "content": system},) if system else ()
    return (*system_part, {"role": "user", "content": user})
