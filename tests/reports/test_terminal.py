"""The terminal: headlines and tables, none wider than the terminal and no cell cut."""

import io
from collections.abc import Callable

import pytest
from invented_report import PARTS, without
from rich.console import Console

from persona_core.evaluation.report import EvaluationReport
from persona_core.reports.headlines import headlines
from persona_core.reports.sections import sections
from persona_core.reports.tables import Table
from persona_core.reports.terminal import _rich, fitted, tables

MakeReport = Callable[..., EvaluationReport]


def printed(report: EvaluationReport, width: int = 100) -> str:
    """Return what the terminal shows."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for table in tables(report, width):
        console.print(table)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 300])
def test_a_table_that_is_too_wide_goes_on_in_another_and_no_cell_is_cut(width: int) -> None:
    names = tuple(f"persona-{index}" for index in range(20))
    rows = tuple((name, *(f"{one - other:+d}.00" for other in range(20))) for one, name in enumerate(names))
    parts = fitted(Table("Matrix", ("meant to be", *names), rows, "a note"), width)
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for part in parts:
        console.print(_rich(part))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    assert [name for part in parts for name in part.columns[1:]] == list(names)
    assert [part.note for part in parts] == [*[""] * (len(parts) - 1), "a note"]
    assert (len(parts) == 1) == (width == 300)


def test_no_figure_is_broken_into_two_lines(report: EvaluationReport) -> None:
    shown = printed(report)
    for table in (table for section in sections(report) for table in section.tables):
        if not table.detail and not table.words:
            assert all(cell in shown for row in table.rows for cell in row), table.title


def test_the_terminal_shows_the_headlines_within_100_columns(report: EvaluationReport) -> None:
    shown = printed(report)
    assert max(map(len, shown.splitlines())) <= 100
    assert "…" not in shown
    for line in headlines(report):
        assert line.figure in shown
    assert "First replies" not in shown


def test_square_brackets_are_no_markup(make_report: MakeReport) -> None:
    assert "[bold]" in printed(make_report(["[bold]", "b", "c"]))


def test_what_was_not_measured_is_listed(report: EvaluationReport) -> None:
    missing = printed(without(report, *PARTS)).split("left out of this evaluation")[1]
    for title in ("Effect", "Damage", "Conversations", "Dose-response", "Blends", "Safety", "Stability"):
        assert title in missing
    assert "Not measured" not in printed(report)
