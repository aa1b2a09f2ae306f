"""Tables of words, as the terminal and the HTML page show them, and how a figure is written in one."""

from __future__ import annotations

from dataclasses import dataclass

from persona_core.evaluation.statistics import Interval

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of words. `detail` is left out of the terminal and folded on the page; `words` holds no numbers to align."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
    note: str = ""
    detail: bool = False
    words: bool = False


@dataclass(frozen=True)
class Section:
    """One part of a report; it has no tables where the part was left out."""

    title: str
    about: str
    tables: tuple[Table, ...] = ()


def share(value: float) -> str:
    """Return a share in per cent."""
    return f"{value:.1%}"


def share_interval(interval: Interval) -> str:
    """Return a share with its interval."""
    return f"{interval.value:.1%} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
