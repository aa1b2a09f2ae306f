"""Saved conversations: the receipts of a chat's session file, or of JSON objects one after the other.

One object a line, or pretty-printed as `generate --json` does: `{"text": …, "receipt": {…}}`. Of a turn only its
receipt is read, and of a receipt only what a picture shows; everything else may be there or missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from persona_core.base.files import read_text
from persona_core.base.records import Record, first_problem
from persona_core.engine.receipt import mixture
from persona_core.errors import PlotError


class PlottedFloor(Record):
    """The fields of a `FloorReceipt` that a picture shows: distances to the floor, negative below it."""

    lowest_before: float
    lowest_after: float


class PlottedReceipt(Record):
    """The fields of a `Receipt` that a picture shows."""

    assistant_projection: float | None = None
    floor: PlottedFloor | None = None
    personas: dict[str, float] = Field(default_factory=dict)
    strength: float = 0.0

    @property
    def speaker(self) -> str:
        """Who spoke and how strongly, in words."""
        personas = {name: weight for name, weight in self.personas.items() if weight and self.strength}
        return f"{mixture(personas)} at {self.strength:g}" if personas else "unsteered"


class _Turn(Record):
    receipt: PlottedReceipt


def read_conversation(path: Path) -> list[PlottedReceipt]:
    """Return the receipt of each turn; raise `PlotError` that names the turn that is wrong, or says there is none."""
    turns = _session_turns(path) if _is_session(path) else _json_objects(path)
    receipts = [_receipt(path, number, turn) for number, turn in enumerate(turns, start=1)]
    if not receipts:
        raise PlotError(f"{path} holds no turn; write one JSON object with a `receipt` a line")
    return receipts


def _is_session(path: Path) -> bool:
    return read_text(path).startswith('{"kind":"session"')


def _session_turns(path: Path) -> Iterator[object]:
    """Yield the turns of a chat but those that the user took back."""
    from persona_core.chat.log import read_session

    _, conversation = read_session(path)
    yield from conversation.turns


def _json_objects(path: Path) -> Iterator[object]:
    text, decoder = read_text(path), json.JSONDecoder()
    offset = _skip_blanks(text, 0)
    while offset < len(text):
        try:
            value, end = decoder.raw_decode(text, offset)
        except ValueError as error:
            line = text.count("\n", 0, offset) + 1
            raise PlotError(
                f"{path}, line {line}: not JSON ({error}); write one object with a `receipt` a line"
            ) from error
        yield value
        offset = _skip_blanks(text, end)


def _skip_blanks(text: str, offset: int) -> int:
    """Return the offset of the next letter that is no white space, or the text's length."""
    return len(text) - len(text[offset:].lstrip())


def _receipt(path: Path, number: int, turn: object) -> PlottedReceipt:
    try:
        return _Turn.model_validate(turn, from_attributes=True).receipt
    except ValidationError as error:
        raise PlotError(f"{path}, turn {number}: {first_problem(error)}") from error
