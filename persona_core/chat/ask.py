"""Ask: a question that a chat session is to put to the model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ask:
    """Let the model answer a question now; at another strength or seed than the chat's, where one is given.

    With `replacing` the last turn is taken back once the new reply is there, and stays where none comes.
    """

    question: str
    strength: float | None = None
    seed: int | None = None
    replacing: bool = False
