"""Intervals: each group with its share, and chance."""

import pytest
from pictures import both_themes, words

from persona_core.reports.plots import intervals
from persona_core.reports.plots.intervals import Panel
from persona_core.reports.plots.theme import Theme


@both_themes
def test_intervals_show_each_group_and_chance(theme: Theme) -> None:
    panels = {"plain": Panel({"vectors": (0.6, 0.5, 0.7), "prompts": (0.4, 0.3, 0.5)}, 0.2)}
    figure = intervals.draw("Identified", panels, theme)
    assert {"vectors", "prompts", "60%", "40%"} <= set(words(figure))


@both_themes
def test_a_scale_without_an_end_reaches_as_far_as_the_intervals(theme: Theme) -> None:
    rows = {"vectors": (0.02, 0.01, 0.04), "prompts": (0.0, 0.0, 0.0)}
    panels = {
        "broken": Panel(rows, 0.0, write="{:.1%}".format, furthest=None),
        "nothing": Panel({"vectors": (0.0, 0.0, 0.0)}, 0.0, furthest=None),
    }
    figure = intervals.draw("Read", panels, theme)
    assert [axes.get_xlim() for axes in figure.axes] == [(0, pytest.approx(0.044)), (0, 1)]
    assert {"2.0%", "0.0%"} <= set(words(figure))
