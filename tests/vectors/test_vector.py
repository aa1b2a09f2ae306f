"""PersonaVector and Axis: what a strength adds at each layer, and percentiles between the stored ones."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from persona_core.errors import SteeringError
from persona_core.vectors.file import VectorHeader
from persona_core.vectors.vector import Axis, PersonaVector

VectorMaker = Callable[..., PersonaVector]


def axis_header(header: VectorHeader, levels: tuple[float, ...]) -> VectorHeader:
    """Return the header of an axis with these percentiles."""
    return header.model_copy(update={"kind": "axis", "name": "safety", "quantile_levels": levels})


@st.composite
def axes(draw: st.DrawFn) -> tuple[list[float], Tensor]:
    """Draw percentile levels in order, with quantiles that rise with them at each of 4 layers."""
    levels = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=6, unique=True).map(sorted))
    drawn = draw(arrays(np.float32, (len(levels), 4), elements=st.floats(-100, 100, width=32)).map(torch.tensor))
    return [level / 10 for level in levels], drawn.sort(dim=0).values


@given(drawn=axes(), asked=st.lists(st.floats(0, 100), min_size=2, max_size=8).map(sorted))
def test_percentiles_rise_with_the_level_and_stay_among_the_stored(
    header: VectorHeader, drawn: tuple[list[float], Tensor], asked: list[float]
) -> None:
    levels, quantiles = drawn
    axis = Axis(axis_header(header, tuple(levels)), torch.ones(4, 8), quantiles)
    found = [axis.percentile(level) for level in asked]
    assert all(bool((low <= high + 1e-4).all()) for low, high in pairwise(found))
    assert all(bool((quantiles[0] - 1e-4 <= row).all() and (row <= quantiles[-1] + 1e-4).all()) for row in found)


@given(drawn=axes())
def test_a_stored_percentile_is_returned_as_it_is(header: VectorHeader, drawn: tuple[list[float], Tensor]) -> None:
    levels, quantiles = drawn
    axis = Axis(axis_header(header, tuple(levels)), torch.ones(4, 8), quantiles)
    for level, row in zip(levels, quantiles, strict=True):
        assert torch.equal(axis.percentile(level), row)
    assert torch.equal(axis.percentile(levels[0] - 1), quantiles[0])
    assert torch.equal(axis.percentile(levels[-1] + 1), quantiles[-1])


@given(drawn=axes(), level=st.floats(0, 100))
def test_percentiles_are_linear_between_the_stored(
    header: VectorHeader, drawn: tuple[list[float], Tensor], level: float
) -> None:
    levels, quantiles = drawn
    axis = Axis(axis_header(header, tuple(levels)), torch.ones(4, 8), quantiles)
    wanted = [np.interp(level, levels, quantiles[:, layer].double().numpy()) for layer in range(4)]
    np.testing.assert_allclose(axis.percentile(level).numpy(), wanted, rtol=1e-5, atol=1e-4)


def test_strength_one_adds_the_dose_in_equal_shares_of_the_target_layers(make_vector: VectorMaker) -> None:
    vector = make_vector()
    moved = vector.displacement()
    assert not moved[[0, 3]].any()
    torch.testing.assert_close(moved[1:3].norm(dim=1), 0.4 / 2 * vector.residual_norm[1:3])
    torch.testing.assert_close(vector.displacement(0.8), 2 * moved)


def test_a_vector_without_a_dose_says_how_to_get_one(make_vector: VectorMaker) -> None:
    vector = make_vector().with_header(calibration=None)
    with pytest.raises(SteeringError, match="sage has no calibrated dose; run `persona-steer extract sage`"):
        vector.displacement()
    assert vector.displacement(0.1).any()
