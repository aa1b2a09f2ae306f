"""An evaluation in the terminal: the headline figures, then a table a part, within the width that there is."""

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
    """Return the report as tables for `rich`; details, which the HTML page has, are left out."""
    rows = tuple((line.what, line.figure, line.beside) for line in headlines(report))
    top = Table(f"Evaluation of {report.model.name}", ("what", "figure", "beside"), rows, words=True)
    parts = sections(report)
    measured = [table for part in parts for table in part.tables if not table.detail]
    missing = tuple((part.title,) for part in parts if not part.tables)
    left_out = [Table("Not measured", ("left out of this evaluation",), missing)] if missing else []
    return [_rich(part) for table in (top, *measured, *left_out) for part in fitted(table, width)]


def fitted(table: Table, width: int) -> list[Table]:
    """Return the table, or several with a share of its columns each where its words do not fit beside each other."""
    shares = list(_shares(table, width))
    parts = [_columns(table, share) for share in shares]
    titles = [table.title, *[f"{table.title}, continued"] * (len(parts) - 1)]
    notes = [*[""] * (len(parts) - 1), table.note]
    return [replace(part, title=title, note=note) for part, title, note in zip(parts, titles, notes, strict=True)]


def _shares(table: Table, width: int) -> Iterator[list[int]]:
    """Yield the places of columns that fit beside the first."""
    first, *others = (_widest_word(table, place) + _BETWEEN for place in range(len(table.columns)))
    share, used = [0], first
    for place, needed in enumerate(others, start=1):
        if used + needed > width and len(share) > 1 and not table.words:
            yield share
            share, used = [0], first
        share.append(place)
        used += needed
    yield share


def _widest_word(table: Table, place: int) -> int:
    cells = (table.columns[place], *(row[place] for row in table.rows))
    return max((len(word) for cell in cells for word in cell.split()), default=0)


def _columns(table: Table, places: list[int]) -> Table:
    rows = tuple(tuple(row[place] for place in places) for row in table.rows)
    return replace(table, columns=tuple(table.columns[place] for place in places), rows=rows)


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
    for place, column in enumerate(table.columns):
        shown.add_column(Text(column), justify="left" if place == 0 or table.words else "right")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown
