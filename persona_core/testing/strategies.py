"""Hypothesis strategies: draw what plugins are given: vectors, weighted parts, axes, capping contexts and plans.

Directions come from ten seeds with either sign, so that equal and opposed ones are drawn often. This module alone needs
hypothesis.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from persona_core.steering.blending import WeightedVector
from persona_core.steering.capping import CappingContext
from persona_core.steering.plan import AddDirection, ClampProjection, ProbeProjection, SteeringPlan
from persona_core.testing.examples import QUANTILE_LEVELS, example_axis, example_vector
from persona_core.vectors.file import Calibration
from persona_core.vectors.vector import Axis, PersonaVector

if TYPE_CHECKING:
    from torch import Tensor

    Rows = tuple[int, int]
    """(seed, sign) that a layer × hidden tensor of unit rows is made from."""

NAMES = ("creator", "explorer", "guardian", "sage", "trickster")
WEIGHTS = st.floats(0, 2)
_ROWS = st.tuples(st.integers(0, 9), st.sampled_from((1, -1)))
_BOUNDS = st.floats(-100, 100, width=32)


def vectors(n_layers: int = 6, hidden: int = 16) -> st.SearchStrategy[PersonaVector]:
    """Draw a calibrated persona: its directions, band of target layers, dose, and the length of the stream."""
    return _vectors(st.sampled_from(NAMES), _bands(n_layers), n_layers, hidden)


@st.composite
def weighted_parts(
    draw: st.DrawFn, n_layers: int = 6, hidden: int = 16, weights: st.SearchStrategy[float] = WEIGHTS
) -> list[WeightedVector]:
    """Draw what a blending strategy is given: one to four personas of different names, steered at the same layers."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    band = st.just(draw(_bands(n_layers)))
    drawn = [draw(_vectors(st.just(name), band, n_layers, hidden)) for name in names]
    return [WeightedVector(vector, draw(weights)) for vector in drawn]


def axes(name: str = "safety", n_layers: int = 6, hidden: int = 16) -> st.SearchStrategy[Axis]:
    """Draw an axis: directions of length 1, and percentiles that rise or stay equal from level to level."""

    def make(rows: Rows, heights: list[float]) -> Axis:
        import torch

        widths = 1.0 + torch.arange(n_layers)
        example = example_axis(name, n_layers, hidden)
        quantiles = torch.tensor(sorted(heights))[:, None] * widths
        return replace(example, directions=_unit_rows(rows, n_layers, hidden), quantiles=quantiles)

    size = len(QUANTILE_LEVELS)
    return st.builds(make, _ROWS, st.lists(st.floats(-10, 10, width=32), min_size=size, max_size=size))


@st.composite
def capping_contexts(draw: st.DrawFn, n_layers: int = 6, hidden: int = 16) -> CappingContext:
    """Draw what a capping policy is given: both axes, any capped layers, and a conversation of up to eight turns."""
    layers = draw(st.sets(st.integers(1, n_layers - 1), min_size=1))
    turns = st.lists(st.fixed_dictionaries({"assistant": st.floats(-50, 50)}), max_size=8)
    return CappingContext(
        axes={name: draw(axes(name, n_layers, hidden)) for name in ("safety", "assistant")},
        layers=tuple(sorted(layers)),
        percentile=draw(st.floats(0, 100)),
        probe_layer=draw(st.integers(0, n_layers - 1)),
        history=draw(turns),
    )


def plans(n_layers: int = 6, hidden: int = 16) -> st.SearchStrategy[SteeringPlan]:
    """Draw a plan with up to three additions, clamps and probes each; the empty plan is among them."""
    layers, directions = st.integers(0, n_layers - 1), _directions(hidden)
    added = st.builds(lambda length, unit: length * unit, st.floats(0.125, 20, width=32), directions)
    clamps = st.builds(
        lambda layer, unit, bounds, name: ClampProjection(layer, unit, bounds[0], bounds[1], name),
        layers, directions, _ranges(), st.sampled_from(("safety", "assistant")),
    )  # fmt: skip
    fields = (st.builds(AddDirection, layers, added), clamps, st.builds(ProbeProjection, layers, directions))
    return st.builds(SteeringPlan, *(st.lists(field, max_size=3).map(tuple) for field in fields), st.just("drawn"))


def _vectors(
    names: st.SearchStrategy[str], bands: st.SearchStrategy[tuple[int, ...]], n_layers: int, hidden: int
) -> st.SearchStrategy[PersonaVector]:
    def make(name: str, band: tuple[int, ...], rows: Rows, dose: float, length: float) -> PersonaVector:
        directions = _unit_rows(rows, n_layers, hidden)
        calibration = Calibration(dose=dose, damage_budget=0.3, damage=0.25, gain=0.5)
        example = example_vector(name, n_layers, hidden).with_header(target_layers=band, calibration=calibration)
        norm = directions.new_full((n_layers,), length)
        return replace(example, directions=directions, raw=2.0 * directions, residual_norm=norm)

    doses, lengths = st.floats(0.0625, 1, width=32), st.floats(0.5, 500, width=32)
    return st.builds(make, names, bands, _ROWS, doses, lengths)


def _bands(n_layers: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw neighbouring layers without the last one, so that a floor can lie above them."""
    ends = st.tuples(st.integers(0, n_layers - 2), st.integers(0, n_layers - 2))
    return ends.map(lambda pair: tuple(range(min(pair), max(pair) + 1)))


def _ranges() -> st.SearchStrategy[tuple[float, float]]:
    """Draw (low, high), of which at most one is infinite."""
    closed = st.tuples(_BOUNDS, _BOUNDS).map(lambda pair: (min(pair), max(pair)))
    return closed | _BOUNDS.map(lambda low: (low, math.inf)) | _BOUNDS.map(lambda high: (-math.inf, high))


def _directions(hidden: int) -> st.SearchStrategy[Tensor]:
    """Draw one direction of length 1."""
    return _ROWS.map(lambda rows: _unit_rows(rows, 1, hidden)[0])


def _unit_rows(rows: Rows, n_layers: int, hidden: int) -> Tensor:
    import torch

    from persona_core.vectors.maths import unit

    seed, sign = rows
    return sign * unit(torch.randn(n_layers, hidden, generator=torch.Generator().manual_seed(seed)))
