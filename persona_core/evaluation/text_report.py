"""An evaluation in the terminal: the headline figures, then a table a part, within 100 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persona_core.evaluation.headlines import headlines
from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.report_tables import sections
from persona_core.evaluation.tables import Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable


def tables(report: EvaluationReport) -> list[RichTable]:
    """Return the report as tables for `rich`; details, which the HTML page has, are left out."""
    rows = tuple((line.what, line.figure, line.beside) for line in headlines(report))
    top = Table(f"Evaluation of {report.model.name}", ("what", "figure", "beside"), rows, words=True)
    parts = sections(report)
    measured = [table for part in parts for table in part.tables if not table.detail]
    missing = tuple((part.title,) for part in parts if not part.tables)
    left_out = [Table("Not measured", ("left out of this evaluation",), missing)] if missing else []
    return [_rich(table) for table in (top, *measured, *left_out)]


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
