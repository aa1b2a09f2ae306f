"""Space: the plane of the personas, with the right distances and a name at every point."""

import numpy as np
import pytest
from pictures import BASE, both_themes, words

from persona_core.errors import PlotError
from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots import space
from persona_core.reports.plots.theme import Theme


def test_the_plane_keeps_the_distances_of_vectors_that_lie_in_one() -> None:
    rows = {"a": np.array([[1.0, 0, 0, 0]]), "b": np.array([[0, 2.0, 0, 0]]), "c": np.array([[-3.0, 0, 0, 0]])}
    plane = space.project("tiny", [0], rows, assistant=np.array([[0, 0, 5.0, 0]]))
    assert sum(plane.explained) == pytest.approx(1)
    points = {name: np.array(point) for name, point in plane.personas.items()}
    assert np.linalg.norm(points["a"] - points["b"]) == pytest.approx(2**0.5)
    assert np.linalg.norm(points["a"] - points["c"]) == pytest.approx(2)
    assert np.linalg.norm(points["b"] - plane.unsteered) == pytest.approx(1)
    assert plane.assistant_share == pytest.approx(0, abs=1e-9)


def test_only_the_chosen_layers_count() -> None:
    random = np.random.default_rng(0)
    rows = {name: random.normal(size=(4, 8)) for name in "abc"}
    changed = {name: np.concatenate([values[:2], random.normal(size=(2, 8))]) for name, values in rows.items()}
    one, other = (space.project("tiny", [0, 1], each) for each in (rows, changed))
    for name in rows:
        assert one.personas[name] == pytest.approx(other.personas[name])


@both_themes
def test_the_space_of_the_ready_made_personas_names_each_and_the_axis(manager: PersonaManager, theme: Theme) -> None:
    plane = space.read_space(manager)
    assert sorted(plane.personas) == BASE
    shown = words(space.draw(plane, theme))
    assert {*BASE, "unsteered model"} <= set(shown)
    assert any("assistant axis" in text for text in shown)
    assert any(f"{plane.explained[0]:.0%}" in text for text in shown)


def test_a_space_of_fewer_than_three_personas_says_what_to_do(manager: PersonaManager) -> None:
    for name in BASE[:3]:
        manager.delete(name)
    with pytest.raises(
        PlotError, match="needs 3 personas and smollm2-135m-instruct has 2; run `persona-steer extract`"
    ):
        space.read_space(manager)
