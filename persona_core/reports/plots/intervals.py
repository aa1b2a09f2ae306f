"""Intervals picture: draws figures of several groups with their 95 % intervals, and a line where chance lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from persona_core.reports.plots.figure import dress, new_figure, note
from persona_core.reports.plots.theme import MARKERS, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Bounds = tuple[float, float, float]
"""A figure, and the lower and upper end of its interval."""


def draw(
    title: str,
    panels: Mapping[str, Mapping[str, Bounds]],
    theme: Theme,
    *,
    chance: Mapping[str, float],
    unit: str = "share of replies",
) -> Figure:
    """Draw one panel a figure and one row a group; `chance` is panel -> where a line marks it."""
    groups = list(dict.fromkeys(group for rows in panels.values() for group in rows))
    figure = new_figure(theme, 9, 1.5 + 0.42 * len(groups), title)
    columns = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, rows) in zip(columns, panels.items(), strict=True):
        dress(axes, theme, x=unit, title=name)
        for group, (value, low, high) in rows.items():
            row = groups.index(group)
            colour = theme.colour(row)
            axes.plot([low, high], [row, row], color=colour, linewidth=3, alpha=0.5, solid_capstyle="butt")
            axes.plot(value, row, color=colour, marker=MARKERS[row % len(MARKERS)], markersize=8)
            note(axes, theme, f"{value:.0%}", (value, row), xytext=(0, 7), ha="center", fontsize=8.5)
        axes.axvline(chance[name], color=theme.muted, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.set_xlim(0, 1)
        axes.set_ylim(len(groups) - 0.5, -0.7)
        axes.set_yticks(range(len(groups)), groups)
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    return figure
