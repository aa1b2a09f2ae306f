"""Hostile packages: whatever a strategy or a policy returns, raises, writes to or waits for, the floor holds."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from persona_core.engine import checked as contracts
from persona_core.engine.checked import checked_blend, checked_bounds, few_enough
from persona_core.errors import PersonaError, SafetyUnavailable, SteeringError
from persona_core.settings.installed import Registered
from persona_core.steering.blending import BalancedSum, WeightedVector
from persona_core.steering.capping import CappingContext, PercentileFloor
from persona_core.steering.layer import arm
from persona_core.steering.plan import ClampProjection, SteeringPlan
from persona_core.testing import example_context, example_vector

LAYERS, HIDDEN = 6, 16
VECTORS = [example_vector(name, LAYERS, HIDDEN) for name in ("sage", "trickster")]
PARTS = [WeightedVector(vector, 0.5) for vector in VECTORS]
CONTEXT = example_context(LAYERS, HIDDEN)


@dataclass
class Strategy:
    blend: Callable[[Any], Any]
    name: str = "hostile"


@dataclass
class Policy:
    clamps: Callable[[Any], Any]
    name: str = "hostile"


def blend(function: Callable[[Any], Any]) -> Tensor:
    return checked_blend(Registered(Strategy(function), "persona-hostile"), PARTS)


def policy_bounds(function: Callable[[Any], Any]) -> tuple[ClampProjection, ...]:
    return checked_bounds(Registered(Policy(function), "persona-hostile"), CONTEXT)


def raised(error: BaseException) -> Any:
    raise error


def honest(parts: Any) -> Tensor:
    return BalancedSum().blend(parts)


def test_what_an_honest_strategy_and_policy_return_goes_on_as_it_is() -> None:
    assert torch.equal(blend(honest), honest(PARTS))
    assert len(policy_bounds(PercentileFloor().clamps)) == len(CONTEXT.layers)
    assert policy_bounds(lambda context: []) == ()


class Lying(float):
    """A number that is below every other one and says that it is not."""

    def __le__(self, other: object) -> bool:
        return True

    __lt__ = __ge__ = __gt__ = __le__

    def __float__(self) -> float:
        return -1e30


class LyingTensor(Tensor):
    """A tensor whose shape is not its own."""

    @property
    def shape(self) -> Any:
        return torch.Size((HIDDEN,))


BLENDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "nothing": (lambda parts: None, "NoneType, not a tensor"),
    "a list": (lambda parts: [[0.0]], "list, not a tensor"),
    "another shape": (lambda parts: torch.zeros(2, HIDDEN), r"shape \[2, 16\], not \[6, 16\]"),
    "another device": (lambda parts: torch.zeros(LAYERS, HIDDEN, device="meta"), "on meta, not on cpu"),
    "NaN": (lambda parts: honest(parts) * math.nan, "not finite"),
    "infinity": (lambda parts: honest(parts) * math.inf, "not finite"),
    "whole numbers": (lambda parts: torch.ones(LAYERS, HIDDEN, dtype=torch.int64), "not finite"),
    "another layer": (lambda parts: torch.ones(LAYERS, HIDDEN), "layer 0, which none of the personas steers"),
    "an error": (lambda parts: 1 / 0, "ZeroDivisionError"),
    "exit": (lambda parts: sys.exit(3), "SystemExit: 3"),
    "Ctrl-C of its own": (lambda parts: raised(KeyboardInterrupt()), "KeyboardInterrupt"),
    "the end of a generator": (lambda parts: raised(GeneratorExit()), "GeneratorExit"),
    "nested": (lambda parts: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "failed"),
}


@pytest.mark.parametrize(("function", "says"), BLENDS.values(), ids=BLENDS)
def test_a_wrong_blend_is_refused_with_the_packages_name(function: Callable[[Any], Any], says: str) -> None:
    with pytest.raises(SteeringError, match=says) as caught:
        blend(function)
    assert "'hostile' of persona-hostile" in str(caught.value)


AXIS = CONTEXT.axes["safety"].directions[3]
CLAMPS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "nothing": (lambda context: None, "TypeError"),
    "text": (lambda context: ["hold it"], "str, not a ClampProjection"),
    "a layer that is not there": (lambda context: [ClampProjection(99, AXIS, low=0.0)], "layer 99"),
    "a layer by name": (lambda context: [ClampProjection("3", AXIS, low=0.0)], "layer 3 of"),  # type: ignore[arg-type]
    "a long direction": (lambda context: [ClampProjection(3, 2 * AXIS, low=0.0)], "length of its direction"),
    "NaN": (lambda context: [ClampProjection(3, AXIS * math.nan, low=0.0)], "length of its direction"),
    "another width": (lambda context: [ClampProjection(3, AXIS[:4], low=0.0)], "not 16 numbers"),
    "another device": (lambda context: [ClampProjection(3, AXIS.to("meta"), low=0.0)], "on cpu"),
    "an empty range": (lambda context: [ClampProjection(3, AXIS, low=1.0, high=0.0)], "range is empty"),
    "a bound of NaN": (lambda context: [ClampProjection(3, AXIS, low=math.nan)], "range is empty"),
    "a bound at infinity": (lambda context: [ClampProjection(3, AXIS, low=math.inf)], "range is empty"),
    "an error": (lambda context: context.axes["none"], "KeyError"),
    "exit": (lambda context: sys.exit(3), "SystemExit: 3"),
    "Ctrl-C of its own": (lambda context: raised(KeyboardInterrupt()), "KeyboardInterrupt"),
    "a bound of more than 64 bits": (lambda context: [ClampProjection(3, AXIS, low=10**400)], "OverflowError"),
    "a bound that is a truth": (lambda context: [ClampProjection(3, AXIS, low=True)], "range is empty"),
    "a tensor that lies about its shape": (
        lambda context: [ClampProjection(3, AXIS[:4].as_subclass(LyingTensor), low=0.0)],
        "not 16 numbers",
    ),
}


@pytest.mark.parametrize(("function", "says"), CLAMPS.values(), ids=CLAMPS)
def test_a_wrong_bound_stops_the_reply_with_the_packages_name(function: Callable[[Any], Any], says: str) -> None:
    with pytest.raises(SafetyUnavailable, match=says) as caught:
        policy_bounds(function)
    assert "'hostile' of persona-hostile" in str(caught.value)


def test_a_number_that_lies_is_what_python_reads_of_it() -> None:
    (clamp,) = policy_bounds(lambda context: [ClampProjection(3, AXIS, low=Lying(2.0))])
    assert (type(clamp.low), clamp.low) == (float, 2.0)


def test_a_sparse_or_short_tensor_becomes_a_dense_one_in_float32() -> None:
    for change in (Tensor.to_sparse, lambda direction: direction.double()):
        (clamp,) = policy_bounds(lambda context, change=change: [ClampProjection(3, change(AXIS), low=0.0)])
        assert (clamp.unit_direction.layout, clamp.unit_direction.dtype) == (torch.strided, torch.float32)
        assert torch.allclose(clamp.unit_direction, AXIS)


def test_a_package_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "SECONDS", 0.05)
    for call in (blend, policy_bounds):
        with pytest.raises(PersonaError, match=r"of persona-hostile took longer than 0\.05 s"):
            call(lambda given: time.sleep(1))  # type: ignore[operator]


def test_more_directions_than_can_be_held_are_refused() -> None:
    axes = torch.eye(HIDDEN)
    with pytest.raises(SafetyUnavailable, match="bounds 7 directions of layer 3, and at most 6"):
        few_enough([ClampProjection(3, axes[place], low=0.0) for place in range(7)], "hostile")
    few_enough([ClampProjection(3, axes[place], low=0.0) for place in (0, 1, 2, 3, 4, 5, 5)], "hostile")


def test_what_a_package_writes_to_is_a_copy() -> None:
    before = [vector.directions.clone() for vector in VECTORS]
    floor = PercentileFloor().clamps(CONTEXT)
    kept = [(clamp.unit_direction.clone(), clamp.low) for clamp in floor]

    def ruin(parts: Any) -> Tensor:
        for part in parts:
            part.vector.directions.zero_()
        return honest(PARTS)

    def open_the_floor(context: CappingContext) -> list[ClampProjection]:
        for axis in context.axes.values():
            axis.directions.neg_()
            axis.quantiles.fill_(-1e9)
        return []

    blend(ruin)
    policy_bounds(open_the_floor)
    assert all(torch.equal(vector.directions, one) for vector, one in zip(VECTORS, before, strict=True))
    after = PercentileFloor().clamps(CONTEXT)
    assert all(
        torch.equal(now.unit_direction, axis) and now.low == low for now, (axis, low) in zip(after, kept, strict=True)
    )


numbers = st.floats(-50, 50, width=32)
ends = st.tuples(numbers, numbers).map(sorted)


@given(
    seed=st.integers(0, 2**16),
    hostile=st.lists(st.tuples(st.sampled_from(["safety", "minus", "near", "other"]), ends, st.booleans()), max_size=3),
)
def test_no_bounds_of_a_policy_open_the_configured_floor(
    seed: int, hostile: list[tuple[str, list[float], bool]]
) -> None:
    random = torch.Generator().manual_seed(seed)
    (floor,) = [clamp for clamp in PercentileFloor().clamps(CONTEXT) if clamp.layer == CONTEXT.layers[-1]]
    axis, noise = floor.unit_direction, torch.randn(HIDDEN, generator=random)
    directions = {"safety": axis, "minus": -axis, "near": axis + 0.01 * noise, "other": noise}

    def clamps(context: CappingContext) -> list[ClampProjection]:
        return [
            ClampProjection(floor.layer, directions[which] / directions[which].norm(), low, high, audit=audit)
            for which, (low, high), audit in hostile
        ]

    own = policy_bounds(clamps)
    held = tuple(clamp for clamp in (*own, floor) if not clamp.audit)
    stream = 20 * torch.randn(1, 5, HIDDEN, generator=random)
    steered = arm([SteeringPlan(clamps=held)], torch.device("cpu"))[floor.layer](stream)
    assert bool((steered @ axis >= floor.low - 1e-3 * max(1.0, abs(floor.low))).all())
