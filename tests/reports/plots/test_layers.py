"""Layers: what the axes separate and how long personas are, layer by layer."""

import pytest
from pictures import BASE, both_themes, words

from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots import layers, space
from persona_core.reports.plots.theme import LIGHT, Theme


@both_themes
def test_layers_shows_both_axes_and_every_persona(manager: PersonaManager, theme: Theme) -> None:
    figures = layers.read_layers(manager)
    assert len(figures.separation[layers.REFUSE_COMPLY]) == 30
    assert figures.separation[layers.SAFETY_PERSONA][20] == pytest.approx(0.5, abs=0.1)
    assert sorted(figures.norms) == BASE
    assert all(0 < value < 1 for curve in figures.norms.values() for value in curve)
    shown = words(layers.draw(figures, theme))
    assert {*BASE, *figures.separation, "target layers 7-15", "capping layers 19-27"} <= set(shown)


def test_personas_with_bands_of_their_own_are_compared_at_all_of_them(manager: PersonaManager) -> None:
    manager.save(manager.persona("sage").with_header(target_layers=(3, 4, 17)))
    assert layers.read_layers(manager).target_layers == (3, 4, *range(7, 16), 17)
    assert space.read_space(manager).layers == (3, 4, *range(7, 16), 17)


def test_layers_without_norms_is_one_panel() -> None:
    figures = layers.LayerFigures("tiny", (), (1, 2, 4), {layers.REFUSE_COMPLY: [0.2, 0.9, 1.0, 0.8, 0.7]})
    figure = layers.draw(figures, LIGHT)
    assert len(figure.axes) == 1
    assert figure.axes[0].get_ylim()[0] < 0.2
    assert "capping layers 1-2,4" in words(figure)
