"""Ask: a question for the model, which the chat answers now; a slash command can return one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ask:
    """A question that the model answers now, at the chat's strength and seed unless they are given here.

    With `replacing` the reply takes the place of the last turn, which stays where no reply comes.
    """

    question: str
    strength: float | None = None
    seed: int | None = None
    replacing: bool = False
