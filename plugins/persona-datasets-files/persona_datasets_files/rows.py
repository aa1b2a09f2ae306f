"""Rows: reads CSV and JSON lines as rows of text, each with the number of the line that it ends on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from persona_core import read_text, suggestion
from persona_core.errors import DatasetError

_TABLES = (".csv", ".jsonl")
_DOCUMENTS = (".yaml", ".yml", ".json")
Row = dict[str, str]


def is_table(path: Path) -> bool:
    """Tell tables from documents by their suffix; raise `DatasetError` for another one."""
    suffix = path.suffix.lower()
    if suffix not in (*_TABLES, *_DOCUMENTS):
        raise DatasetError(f"{path}: expected a file that ends with one of {', '.join((*_DOCUMENTS, *_TABLES))}")
    return suffix in _TABLES


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Yield (line, row) with no other columns than these; raise `DatasetError` that names file, line and column."""
    text = read_text(path).removeprefix("\ufeff")
    for line, row in _csv_rows(path, text, columns) if path.suffix.lower() == ".csv" else _json_rows(path, text):
        for column, value in row.items():
            _check(path, line, column, value, columns)
        yield line, {column: value.strip() for column, value in row.items()}


def _csv_rows(path: Path, text: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        for column in header:
            _check(path, 1, column, "", columns)
        if len(set(header)) < len(header):
            raise DatasetError(f"{path}, line 1: a column stands there twice: {', '.join(header)}")
        for cells in reader:
            if cells:
                yield reader.line_num, _named(path, reader.line_num, header, cells)
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: {error}; expected comma-separated values") from error


def _named(path: Path, line: int, header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(header):
        raise DatasetError(
            f"{path}, line {line}: {len(cells)} cells, and the first line names {len(header)} columns: "
            'put a text that holds a comma into "double quotes"'
        )
    return dict(zip(header, cells, strict=True))


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{path}, line {line}: {error}; expected one JSON object a line") from error
        if not isinstance(row, dict):
            raise DatasetError(f"{path}, line {line}: expected a JSON object, found {type(row).__name__}")
        yield line, row


def _check(path: Path, line: int, column: str, value: object, columns: Sequence[str]) -> None:
    if column not in columns:
        expected = f"expected {', '.join(columns)}"
        raise DatasetError(f"{path}, line {line}: no such column {column!r}{suggestion(column, columns)} ({expected})")
    if not isinstance(value, str):
        raise DatasetError(f"{path}, line {line}: {column} is {type(value).__name__}, and it must be text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise DatasetError(f"{path}, line {line}: {column} holds half a character, such as \\ud800")
