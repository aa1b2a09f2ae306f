"""Safety files: reads harmful requests, each with a refusing and a complying reply."""

from __future__ import annotations

from pathlib import Path

from persona_core import SafetyDataset, SafetyPair, first_problem
from persona_core.errors import DatasetError
from persona_datasets_files.persona_file import parse_document
from persona_datasets_files.rows import is_table, read_rows

COLUMNS = ("request", "refusal", "compliance")
FEWEST = 13
_HELDOUT = 4
"""Every fourth pair is held out, as in the built-in dataset."""


def read_safety(path: Path) -> SafetyDataset:
    """Read a safety file; raise `DatasetError` that names the file, the line or field, and what is expected."""
    if is_table(path):
        return _split(path, _pairs(path))
    data = parse_document(path)
    try:
        return SafetyDataset.model_validate(data)
    except ValueError as error:
        expected = f"expected `train` and `heldout`, lists of {_columns()}"
        raise DatasetError(f"{path}: {first_problem(error)}; {expected}") from error


def _pairs(path: Path) -> list[SafetyPair]:
    pairs = []
    for line, row in read_rows(path, COLUMNS):
        missing = [column for column in COLUMNS if not row.get(column)]
        if missing:
            raise DatasetError(f"{path}, line {line}: no {missing[0]}; expected {_columns()} in every row")
        pairs.append(SafetyPair(**{column: row[column] for column in COLUMNS}))
    return pairs


def _split(path: Path, pairs: list[SafetyPair]) -> SafetyDataset:
    if len(pairs) < FEWEST:
        raise DatasetError(f"{path}: {len(pairs)} rows; give it {FEWEST} or more, of which every fourth is held out")
    return SafetyDataset(
        train=tuple(pair for index, pair in enumerate(pairs) if index % _HELDOUT),
        heldout=tuple(pair for index, pair in enumerate(pairs) if not index % _HELDOUT),
    )


def _columns() -> str:
    return f"{COLUMNS[0]}, {COLUMNS[1]} and {COLUMNS[2]}"
