"""Intervals: each group with its share, and chance."""

from pictures import both_themes, words

from persona_core.reports.plots import intervals
from persona_core.reports.plots.theme import Theme


@both_themes
def test_intervals_show_each_group_and_chance(theme: Theme) -> None:
    panels = {"plain": {"vectors": (0.6, 0.5, 0.7), "prompts": (0.4, 0.3, 0.5)}}
    figure = intervals.draw("Identified", panels, theme, chance={"plain": 0.2})
    assert {"vectors", "prompts", "60%", "40%"} <= set(words(figure))
