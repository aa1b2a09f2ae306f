"""Terminal: lays an evaluation out as tables that fit the width of the terminal, headline figures first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from persona_core.evaluation.report import EvaluationReport
from persona_core.reports.headlines import headlines
from persona_core.reports.sections import sections
from persona_core.reports.tables import Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

WIDTH = 100
_BETWEEN = 3
"""Blanks between two columns, and at both edges together."""


def tables(report: EvaluationReport, width: int = WIDTH) -> list[RichTable]:
    """Return the report as tables for `rich`, without the details that only the HTML page shows."""
    rows = tuple((line.name, line.figure, line.beside) for line in headlines(report))
    top = Table(f"Evaluation of {report.model.name}", ("what", "figure", "beside"), rows, words=True)
    whole = sections(report)
    measured = [table for section in whole for table in section.tables if not table.detail]
    missing = tuple((section.title,) for section in whole if not section.tables)
    left_out = [Table("Not measured", ("left out of this evaluation",), missing)] if missing else []
    return [_rich(piece) for table in (top, *measured, *left_out) for piece in fitted(table, width)]


def fitted(table: Table, width: int) -> list[Table]:
    """Return the table, or several that each repeat its first column and hold as many others as fit the width."""
    pieces = [_columns(table, indices) for indices in _column_groups(table, width)]
    titles = [table.title, *[f"{table.title}, continued"] * (len(pieces) - 1)]
    notes = [*[""] * (len(pieces) - 1), table.note]
    return [replace(piece, title=title, note=note) for piece, title, note in zip(pieces, titles, notes, strict=True)]


def _column_groups(table: Table, width: int) -> Iterator[list[int]]:
    """Yield the first column with the next ones that fit beside it, as indices, until each column was yielded."""
    first, *others = (_narrowest(table, index) + _BETWEEN for index in range(len(table.columns)))
    group, used = [0], first
    for index, needed in enumerate(others, start=1):
        if used + needed > width and len(group) > 1 and not table.words:
            yield group
            group, used = [0], first
        group.append(index)
        used += needed
    yield group


def _narrowest(table: Table, index: int) -> int:
    """Return the least width of a column: its longest word, and in a table of figures its longest figure."""
    cells = [row[index] for row in table.rows]
    pieces = [word for cell in cells for word in cell.split()] if table.words else cells
    return max(map(len, (*pieces, *table.columns[index].split())), default=0)


def _columns(table: Table, indices: list[int]) -> Table:
    rows = tuple(tuple(row[index] for index in indices) for row in table.rows)
    return replace(table, columns=tuple(table.columns[index] for index in indices), rows=rows)


def _rich(table: Table) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(
        title=Text(table.title),
        caption=Text(f"{table.note}\n") if table.note else None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        pad_edge=False,
        min_width=len(table.title),
    )
    for index, column in enumerate(table.columns):
        shown.add_column(
            Text(column),
            justify="left" if index == 0 or table.words else "right",
            min_width=None if table.words else _narrowest(table, index),
        )
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown
