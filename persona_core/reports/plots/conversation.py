"""Saved conversations: a chat's session file, or JSON objects one after the other, each with the receipt of a reply.

One object a line, or pretty-printed as `generate --json` does: `{"text": …, "receipt": {…}}`. Of a turn only its
receipt is read, and of a receipt only what a picture shows; everything else may be there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from persona_core.base.files import read_text
from persona_core.base.records import Record, first_problem
from persona_core.errors import PlotError


class FloorReading(Record):
    """How far the lowest token lay above the floor, before it was lifted and after; below the floor is negative."""

    lowest_before: float
    lowest_after: float


class TurnReceipt(Record):
    """What is read of a `Receipt`."""

    assistant_projection: float | None = None
    floor: FloorReading | None = None
    personas: dict[str, float] = Field(default_factory=dict)
    strength: float = 0.0

    @property
    def mixture(self) -> str:
        """Who spoke, in words."""
        parts = {name: weight for name, weight in self.personas.items() if weight and self.strength}
        if not parts:
            return "unsteered"
        names = list(parts) if list(parts.values()) == [1.0] else [f"{name} {part:g}" for name, part in parts.items()]
        return f"{' + '.join(names)} at {self.strength:g}"


class Turn(Record):
    """One turn of a saved conversation."""

    receipt: TurnReceipt


def read_conversation(path: Path) -> list[Turn]:
    """Return the turns of a file; raise `PlotError` that names the turn that is wrong, or says that there is none."""
    objects = _session_turns(path) if _is_session(path) else _objects(path)
    turns = [_turn(path, place, data) for place, data in enumerate(objects, start=1)]
    if not turns:
        raise PlotError(f"{path} holds no turn; write one JSON object with a `receipt` a line")
    return turns


def _is_session(path: Path) -> bool:
    return read_text(path).startswith('{"kind":"session"')


def _session_turns(path: Path) -> Iterator[object]:
    """Yield the turns that stand: one that was taken back is in the file, and not in the conversation."""
    from persona_core.chat.log import read_session

    _, conversation = read_session(path)
    yield from (turn.model_dump() for turn in conversation.turns)


def _objects(path: Path) -> Iterator[object]:
    text, decoder, place = read_text(path), json.JSONDecoder(), 0
    while place := _next(text, place):
        try:
            data, place = decoder.raw_decode(text, place - 1)
        except ValueError as error:
            line = text.count("\n", 0, place) + 1
            raise PlotError(
                f"{path}, line {line}: not JSON ({error}); write one object with a `receipt` a line"
            ) from error
        yield data


def _next(text: str, place: int) -> int:
    """Return one more than the place of the next letter that is no space, or 0 at the end."""
    rest = len(text) - len(text[place:].lstrip())
    return rest + 1 if rest < len(text) else 0


def _turn(path: Path, place: int, data: object) -> Turn:
    try:
        return Turn.model_validate(data)
    except ValidationError as error:
        raise PlotError(f"{path}, turn {place}: {first_problem(error)}") from error
