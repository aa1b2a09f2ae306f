"""Intervals picture: draws figures of groups with their 95 % intervals, and a line at what they compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_core.reports.plots.figure import dress, new_figure, note
from persona_core.reports.plots.theme import MARKERS, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Bounds = tuple[float, float, float]
"""A figure, and the lower and upper end of its interval."""


@dataclass(frozen=True)
class Panel:
    """One figure: group -> its bounds, where a dashed line stands, and how numbers are written.

    `furthest` is the end of the scale, which begins at 0; None for as far as the intervals reach.
    """

    rows: Mapping[str, Bounds]
    line: float
    unit: str = "share of replies"
    write: Callable[[float], str] = "{:.0%}".format
    furthest: float | None = 1.0


def draw(title: str, panels: Mapping[str, Panel], theme: Theme) -> Figure:
    """Draw one panel a figure and one row a group."""
    groups = list(dict.fromkeys(group for panel in panels.values() for group in panel.rows))
    figure = new_figure(theme, 3 + 3 * len(panels), 1.5 + 0.42 * len(groups), title)
    columns = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, panel) in zip(columns, panels.items(), strict=True):
        dress(axes, theme, x=panel.unit, title=name)
        _rows(axes, panel, groups, theme)
        axes.axvline(panel.line, color=theme.muted, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.set_xlim(0, panel.furthest or 1.1 * max(high for _, _, high in panel.rows.values()) or 1)
        axes.set_ylim(len(groups) - 0.5, -0.7)
        axes.set_yticks(range(len(groups)), groups)
        axes.xaxis.set_major_formatter(lambda value, _, write=panel.write: write(value))
    return figure


def _rows(axes: Axes, panel: Panel, groups: list[str], theme: Theme) -> None:
    for group, (value, low, high) in panel.rows.items():
        row = groups.index(group)
        colour = theme.colour(row)
        axes.plot([low, high], [row, row], color=colour, linewidth=3, alpha=0.5, solid_capstyle="butt")
        axes.plot(value, row, color=colour, marker=MARKERS[row % len(MARKERS)], markersize=8)
        note(axes, theme, panel.write(value), (value, row), xytext=(0, 7), ha="center", fontsize=8.5)
