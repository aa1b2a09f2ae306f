"""Tables: rows of words that both the terminal and the HTML page show, and how shares are written in them."""

from __future__ import annotations

from dataclasses import dataclass

from persona_core.evaluation.statistics import Interval

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of words.

    The terminal leaves out a `detail` table, and the page folds it. The cells of a `words` table are text, not numbers
    to align.
    """

    title: str
    columns: Row
    rows: tuple[Row, ...]
    note: str = ""
    detail: bool = False
    words: bool = False


@dataclass(frozen=True)
class Section:
    """One part of a report; a part that was not measured has no tables."""

    title: str
    about: str
    tables: tuple[Table, ...] = ()


def share(value: float) -> str:
    """Return a share in per cent."""
    return f"{value:.1%}"


def share_interval(interval: Interval) -> str:
    """Return a share with its interval."""
    return f"{interval.value:.1%} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
