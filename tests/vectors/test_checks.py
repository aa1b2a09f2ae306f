"""A vector file is obeyed only where all that it says can be: an axis that would open the floor is damaged."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from persona_core.errors import VectorCorrupt
from persona_core.testing.examples import example_axis, example_vector
from persona_core.vectors.vector import Axis, PersonaVector

AXES: dict[str, tuple[Callable[[Axis], Axis], str]] = {
    "levels descend": (lambda axis: axis.with_header(quantile_levels=axis.header.quantile_levels[::-1]), "levels"),
    "a level twice": (lambda axis: levelled(axis, (1.0, *axis.header.quantile_levels[:-1])), "levels"),
    "a level over 100": (lambda axis: levelled(axis, (*axis.header.quantile_levels[:-1], 101.0)), "levels"),
    "no levels": (lambda axis: axis.with_header(quantile_levels=()), "levels"),
    "quantiles with their sign turned": (lambda axis: replace(axis, quantiles=-axis.quantiles), "do not ascend"),
    "quantiles of -1e30": (lambda axis: replace(axis, quantiles=axis.quantiles * 0 - 1e30), "do not ascend"),
    "the lowest quantile of -1e30": (lambda axis: lowered(axis), "out of all proportion"),
    "quantiles of one layer less": (lambda axis: replace(axis, quantiles=axis.quantiles[:, :-1]), "level and layer"),
    "directions of length 2": (lambda axis: replace(axis, directions=2 * axis.directions), "not of length 1"),
    "a name with a path": (lambda axis: axis.with_header(name="../../x"), "its name"),
    "a shared part of another shape": (
        lambda axis: replace(axis, shared=axis.directions[:2].clone()),
        "shared is not 6 layers",
    ),
}
PERSONAS: dict[str, tuple[Callable[[PersonaVector], PersonaVector], str]] = {
    "layers in another order": (lambda vector: vector.with_header(target_layers=(3, 2)), "target layers"),
    "a layer twice": (lambda vector: vector.with_header(target_layers=(2, 2)), "target layers"),
    "a layer that is not there": (lambda vector: vector.with_header(target_layers=(2, 10**9)), "target layers"),
    "a layer below the first": (lambda vector: vector.with_header(target_layers=(-1, 2)), "target layers"),
    "no layers": (lambda vector: vector.with_header(target_layers=()), "target layers"),
    "a dose below 0": (lambda vector: dosed(vector, -5.0), "a dose"),
    "a name with a path": (lambda vector: vector.with_header(name="../../x"), "its name"),
    "a stream of no length": (lambda vector: replace(vector, residual_norm=0 * vector.residual_norm), "median length"),
    "a raw vector of another shape": (lambda vector: replace(vector, raw=vector.raw[:2]), "raw is not 6 layers"),
    "a gradient of another shape": (lambda vector: replace(vector, gradient=vector.raw[:2].clone()), "gradient is not"),
}


def levelled(axis: Axis, levels: tuple[float, ...]) -> Axis:
    return axis.with_header(quantile_levels=levels)


def lowered(axis: Axis) -> Axis:
    quantiles = axis.quantiles.clone()
    quantiles[0] = -1e30
    return replace(axis, quantiles=quantiles)


def dosed(vector: PersonaVector, dose: float) -> PersonaVector:
    assert vector.header.guided is not None
    return vector.with_header(guided=vector.header.guided.model_copy(update={"dose": dose}))


@pytest.mark.parametrize(("change", "problem"), AXES.values(), ids=AXES)
def test_an_axis_that_would_open_the_floor_is_damaged(
    tmp_path: Path, change: Callable[[Axis], Axis], problem: str
) -> None:
    path = tmp_path / "safety_axis.safetensors"
    change(example_axis("safety")).save(path)
    with pytest.raises(VectorCorrupt, match=rf"safety_axis\.safetensors is not used: .*{problem}.*; extract it anew"):
        Axis.load(path)


@pytest.mark.parametrize(("change", "problem"), PERSONAS.values(), ids=PERSONAS)
def test_a_persona_that_says_what_cannot_be_is_damaged(
    tmp_path: Path, change: Callable[[PersonaVector], PersonaVector], problem: str
) -> None:
    path = tmp_path / "sage.safetensors"
    change(example_vector("sage")).save(path)
    with pytest.raises(VectorCorrupt, match=rf"sage\.safetensors is not used: .*{problem}"):
        PersonaVector.load(path)


def test_sound_files_are_read(tmp_path: Path) -> None:
    example_axis("safety").save(tmp_path / "axis")
    example_vector("sage").save(tmp_path / "sage")
    assert Axis.load(tmp_path / "axis").name == "safety"
    assert PersonaVector.load(tmp_path / "sage").name == "sage"
