from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from persona_capping_guard import AssistantGuard, drift, floor, tightness

from persona_core import Axis, CappingContext, ClampProjection, PluginManager
from persona_core.errors import SafetyUnavailable
from persona_core.testing import check_capping_policy, example_context, strategies

CONTEXT = example_context()
AXIS = CONTEXT.axes["assistant"]
EDGE = float(AXIS.percentile(1.0)[CONTEXT.probe_layer])
RANGE = float(AXIS.percentile(75.0)[CONTEXT.probe_layer] - AXIS.percentile(25.0)[CONTEXT.probe_layer])

drifts = st.floats(-3, 3, allow_nan=False)
conversations = st.lists(drifts, max_size=8)


def after(turns: Sequence[float], context: CappingContext = CONTEXT) -> list[ClampProjection]:
    """Return the bounds after turns that lie so many ranges below the edge."""
    history = [{"assistant": EDGE - turn * RANGE} for turn in turns]
    return list(AssistantGuard().clamps(replace(context, history=history)))


def lows(turns: Sequence[float]) -> list[float]:
    """Return the floor of each capped layer; none is minus infinity."""
    return [clamp.low for clamp in after(turns)] or [-torch.inf] * len(CONTEXT.layers)


def edges(slack: float = 0.0) -> list[float]:
    """Return each capped layer's edge, so many of its own ranges lower."""
    one, low, high = (AXIS.percentile(level) for level in (1.0, 25.0, 75.0))
    return [float(one[layer] - slack * (high[layer] - low[layer])) for layer in CONTEXT.layers]


def hand_made(low: float, high: float) -> Axis:
    """Return an axis of one level pair at every layer: 1st and 25th percentile `low`, 75th `high`."""
    quantiles = torch.tensor([[low], [low], [high]]).expand(3, len(AXIS.directions))
    header = AXIS.header.model_copy(update={"quantile_levels": (1.0, 25.0, 75.0)})
    return Axis(header, AXIS.directions, quantiles)


def test_the_installed_entry_point_brings_the_guard(persona_plugins: PluginManager) -> None:
    registered = persona_plugins.registry("register_capping_policies")["assistant-guard"]
    assert registered.distribution == "persona-capping-guard"
    assert registered.value == AssistantGuard()


def test_the_guard_keeps_the_contract_of_a_policy() -> None:
    check_capping_policy(AssistantGuard())


def test_without_history_there_is_no_floor() -> None:
    assert after([]) == []


@given(st.lists(st.floats(-3, 0), max_size=8))
def test_turns_within_range_bring_no_floor(turns: list[float]) -> None:
    assert tightness([max(turn, 0.0) for turn in turns]) == 0
    assert after([turn - 0.01 for turn in turns]) == []


def test_one_drifting_turn_brings_a_floor_on_each_capped_layer() -> None:
    clamps = after([0.5])
    assert [clamp.layer for clamp in clamps] == list(CONTEXT.layers)
    assert [clamp.low for clamp in clamps] == pytest.approx(edges(1.0), abs=1e-4)
    for clamp in clamps:
        assert (clamp.name, clamp.high) == ("assistant", torch.inf)
        assert torch.equal(clamp.unit_direction, AXIS.directions[clamp.layer])


@pytest.mark.parametrize("turn", [1.0, 1.5, 40.0])
def test_the_floor_never_rises_above_the_first_percentile(turn: float) -> None:
    assert lows([turn] * 5) == pytest.approx(edges(), abs=1e-4)


def test_turns_in_range_release_the_floor_by_halves() -> None:
    assert tightness([0.0, 0.8, 0.0, 0.0]) == pytest.approx(0.2)
    for quiet, tight in enumerate([1.0, 0.5, 0.25, 0.125]):
        assert lows([1.0] + [-1.0] * quiet) == pytest.approx(edges(2 * (1 - tight)), abs=1e-4)


def test_a_conversation_that_returns_ends_at_the_loosest_floor() -> None:
    assert lows([1.0] + [-1.0] * 30) == pytest.approx(edges(2.0), abs=1e-4)


@given(conversations, st.integers(0, 7), st.floats(0, 3))
def test_more_drift_in_any_turn_never_loosens(turns: list[float], place: int, more: float) -> None:
    worse = [turn + more if place == index else turn for index, turn in enumerate(turns)]
    assert all(one >= other for one, other in zip(lows(worse), lows(turns), strict=True))


@given(conversations, drifts)
def test_a_further_turn_tightens_or_releases_by_half_at_most(turns: list[float], turn: float) -> None:
    before = [max(drifted, 0.0) for drifted in turns]
    now = tightness([*before, max(turn, 0.0)])
    assert tightness(before) / 2 <= now <= 1
    assert now >= min(max(turn, 0.0), 1.0)


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_drift_falls_as_the_projection_rises(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert drift(AXIS, CONTEXT.probe_layer, low) >= drift(AXIS, CONTEXT.probe_layer, high) >= 0


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_floor_rises_with_tightness(one: float, other: float) -> None:
    loose, tight = sorted((one, other))
    assert floor(AXIS, 2, loose) <= floor(AXIS, 2, tight) <= float(AXIS.percentile(1.0)[2])


@given(strategies.capping_contexts())
def test_every_context_gets_no_floor_or_one_a_capped_layer_and_never_above_the_first_percentile(
    context: CappingContext,
) -> None:
    clamps = AssistantGuard().clamps(context)
    assert [clamp.layer for clamp in clamps] in ([], list(context.layers))
    highest = context.axes["assistant"].percentile(1.0)
    assert all(clamp.low <= float(highest[clamp.layer]) + 1e-4 for clamp in clamps)


def test_drift_is_measured_at_the_probe_layer_in_ranges_of_the_axis() -> None:
    assert drift(hand_made(-4.0, 6.0), 2, -9.0) == pytest.approx(0.5)
    assert drift(hand_made(-4.0, 6.0), 2, -4.0) == 0


def test_an_axis_without_spread_still_gives_finite_bounds() -> None:
    context = replace(CONTEXT, axes={"assistant": hand_made(1.0, 1.0)}, history=[{"assistant": 0.5}])
    assert [clamp.low for clamp in AssistantGuard().clamps(context)] == [1.0, 1.0]


def test_a_turn_without_a_projection_leaves_the_floor_as_it_is() -> None:
    drifted = {"assistant": EDGE - 0.5 * RANGE}
    one, other = (replace(CONTEXT, history=turns) for turns in ([drifted], [drifted, {"safety": 1.0}]))
    floors = [[clamp.low for clamp in AssistantGuard().clamps(context)] for context in (one, other)]
    assert floors[0] == floors[1]


def test_a_missing_assistant_axis_is_an_error_that_says_what_to_run() -> None:
    with pytest.raises(SafetyUnavailable, match="persona-steer extract-axes"):
        after([], replace(CONTEXT, axes={"safety": CONTEXT.axes["safety"]}))
