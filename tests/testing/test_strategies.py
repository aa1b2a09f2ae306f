"""What the strategies draw is what the core gives to plugins, and reaches the corners that matter."""

import math

import pytest
import torch
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from persona_core.steering.blending import BalancedSum, BlendingStrategy, WeightedSum, WeightedVector
from persona_core.steering.capping import CappingContext, PercentileFloor
from persona_core.steering.plan import SteeringPlan
from persona_core.testing import strategies
from persona_core.vectors.vector import Axis, PersonaVector

FIRST = settings(max_examples=500, phases=[Phase.generate], deadline=None, derandomize=True, database=None)


@given(strategies.vectors(n_layers=4, hidden=8))
def test_a_drawn_persona_is_steered_at_its_target_layers_by_its_dose(vector: PersonaVector) -> None:
    moved, layers = vector.displacement(), list(vector.header.target_layers)
    assert vector.header.calibration is not None
    share = vector.header.calibration.dose * vector.residual_norm[layers] / len(layers)
    torch.testing.assert_close(moved[layers].norm(dim=1), share)
    assert not moved[[layer for layer in range(4) if layer not in layers]].any()
    assert max(layers) < 3


@pytest.mark.parametrize("strategy", [WeightedSum(), BalancedSum()], ids=lambda strategy: strategy.name)
@given(parts=strategies.weighted_parts())
def test_the_built_in_blends_take_every_drawn_part(strategy: BlendingStrategy, parts: list[WeightedVector]) -> None:
    moved = strategy.blend(parts)
    assert torch.isfinite(moved).all()
    assert torch.equal(strategy.blend(parts[::-1]), moved)
    still = [layer for layer in range(6) if layer not in parts[0].vector.header.target_layers]
    assert not moved[still].any()


@given(strategies.weighted_parts(weights=st.just(1.0)))
def test_drawn_parts_have_the_weights_that_are_asked_for_and_names_of_their_own(parts: list[WeightedVector]) -> None:
    assert {part.weight for part in parts} == {1.0}
    assert len({part.vector.name for part in parts}) == len(parts)
    assert len({part.vector.header.target_layers for part in parts}) == 1


@given(strategies.axes("assistant", n_layers=4, hidden=8), st.floats(0, 100), st.floats(0, 100))
def test_a_drawn_axis_has_rows_of_length_one_and_percentiles_that_do_not_fall(
    axis: Axis, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    torch.testing.assert_close(axis.directions.norm(dim=1), torch.ones(4))
    assert (axis.percentile(low) <= axis.percentile(high) + 1e-4).all()
    assert axis.name == "assistant"


@given(strategies.capping_contexts())
def test_the_built_in_policy_takes_every_drawn_context(context: CappingContext) -> None:
    clamps = PercentileFloor().clamps(context)
    assert [clamp.layer for clamp in clamps] == list(context.layers)
    assert all(math.isfinite(clamp.low) and clamp.high == math.inf for clamp in clamps)


@given(strategies.plans())
def test_a_drawn_plan_is_the_sum_of_its_layers_and_its_clamps_are_sound(plan: SteeringPlan) -> None:
    parts = [plan.by_layer(layer) for layer in plan.layers]
    assert sum(len(part.additions) + len(part.clamps) + len(part.probes) for part in parts) == (
        len(plan.additions) + len(plan.clamps) + len(plan.probes)
    )
    assert all(clamp.low <= clamp.high for clamp in plan.clamps)
    assert all(abs(float(clamp.unit_direction.norm()) - 1) < 1e-5 for clamp in plan.clamps)
    assert SteeringPlan(plan.additions, plan.clamps).digest() == plan.digest()


def opposed(parts: list[WeightedVector]) -> bool:
    """Tell whether two parts point exactly against each other."""
    directions = [part.vector.directions for part in parts]
    return any(torch.equal(one, -other) for one in directions for other in directions)


CORNERS = [
    (strategies.weighted_parts(), opposed),
    (strategies.weighted_parts(), lambda parts: len(parts) == 4),
    (strategies.weighted_parts(), lambda parts: all(part.weight == 0 for part in parts)),
    (strategies.axes(), lambda axis: len(axis.quantiles[:, 0].unique()) == 1),
    (strategies.capping_contexts(), lambda context: not context.history),
    (strategies.capping_contexts(), lambda context: len(context.history) > 5),
    (strategies.plans(), lambda plan: not plan.layers),
    (strategies.plans(), lambda plan: plan.additions and plan.clamps and plan.probes),
]


@pytest.mark.parametrize(("strategy", "corner"), CORNERS)
def test_the_corners_are_reached(strategy, corner):  # type: ignore[no-untyped-def]
    find(strategy, corner, settings=FIRST)
