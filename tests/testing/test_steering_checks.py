"""The checks of strategies and policies accept what is built in, and reject one wrong object for each promise."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
import torch

from persona_core.errors import PersonaError, SafetyUnavailable
from persona_core.steering.blending import WeightedSum, WeightedVector
from persona_core.steering.capping import CappingContext, PercentileFloor
from persona_core.steering.plan import ClampProjection
from persona_core.testing import check_blending_strategy, check_capping_policy

Parts = Sequence[WeightedVector]
NAN = float("nan")
SAYS_WHAT_TO_DO = r"^.+; .{15,}"
"""What is wrong, a semicolon, and how to mend it."""


@dataclass(frozen=True)
class Blend:
    """A strategy that is whatever its function is."""

    function: Callable[[Parts], torch.Tensor]
    name: str = "blend"

    def blend(self, parts: Parts) -> torch.Tensor:
        return self.function(parts)


@dataclass(frozen=True)
class Altered:
    """A policy that changes each bound of the built-in one."""

    change: Callable[[ClampProjection], ClampProjection]
    name: str = "altered"

    def clamps(self, context: CappingContext) -> list[ClampProjection]:
        return [self.change(clamp) for clamp in PercentileFloor().clamps(context)]


def total(parts: Parts) -> torch.Tensor:
    return WeightedSum().blend(parts)


def in_place(parts: Parts) -> torch.Tensor:
    moved = total(parts)
    parts[0].vector.directions.neg_()
    return moved


def first_counts_twice(parts: Parts) -> torch.Tensor:
    return total(parts) + parts[0].weight * parts[0].vector.displacement()


def weightless(parts: Parts) -> torch.Tensor:
    mean = torch.stack([part.vector.displacement() for part in parts]).mean(0)
    return sum(part.weight for part in parts) * mean


BAD_BLENDS = {
    "one layer less": lambda parts: total(parts)[1:],
    "not finite": lambda parts: total(parts) * NAN,
    "float64": lambda parts: total(parts).double(),
    "nothing at all": lambda parts: total(parts) * 0,
    "every layer": lambda parts: total(parts) + 1,
    "random": lambda parts: total(parts) * torch.rand(1),
    "constant": lambda parts: parts[0].vector.displacement() * 0 + total([replace(parts[0], weight=1.0)]),
    "order counts": first_counts_twice,
    "weights do not scale": lambda parts: total([replace(part, weight=part.weight**2) for part in parts]),
    "weights do not tell personas apart": weightless,
    "changes the personas": in_place,
}
BAD_BOUNDS = {
    "layer": lambda clamp: replace(clamp, layer=6),
    "negative layer": lambda clamp: replace(clamp, layer=-1),
    "shape": lambda clamp: replace(clamp, unit_direction=clamp.unit_direction[1:]),
    "length": lambda clamp: replace(clamp, unit_direction=2 * clamp.unit_direction),
    "direction not finite": lambda clamp: replace(clamp, unit_direction=NAN * clamp.unit_direction),
    "low above high": lambda clamp: replace(clamp, high=clamp.low - 1),
    "low not a number": lambda clamp: replace(clamp, low=NAN),
    "low infinite": lambda clamp: replace(clamp, low=float("inf")),
    "no name": lambda clamp: replace(clamp, name=""),
    "random": lambda clamp: replace(clamp, low=float(torch.rand(1))),
    "changes the axis": lambda clamp: replace(clamp, unit_direction=clamp.unit_direction.neg_()),
}


def test_the_built_ins_are_accepted() -> None:
    check_blending_strategy(WeightedSum())
    check_capping_policy(PercentileFloor())


def test_the_wrappers_of_this_file_are_accepted_where_they_change_nothing() -> None:
    check_blending_strategy(Blend(total))
    check_capping_policy(Altered(lambda clamp: clamp))


@pytest.mark.parametrize("blend", BAD_BLENDS.values(), ids=BAD_BLENDS)
def test_a_wrong_blending_strategy_is_rejected(blend: Callable[[Parts], torch.Tensor]) -> None:
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_blending_strategy(Blend(blend))


@pytest.mark.parametrize("change", BAD_BOUNDS.values(), ids=BAD_BOUNDS)
def test_a_policy_with_an_unusable_bound_is_rejected(change: Callable[[ClampProjection], ClampProjection]) -> None:
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_capping_policy(Altered(change))


def test_a_result_of_another_type_is_named() -> None:
    with pytest.raises(AssertionError, match=re.escape("list; it must be a torch.Tensor")):
        check_blending_strategy(Blend(lambda parts: [1.0]))
    with pytest.raises(AssertionError, match=re.escape("float; it must be a persona_core.steering.plan.Clamp")):
        check_capping_policy(Altered(lambda clamp: 0.5))


def test_a_name_that_nobody_can_type_is_rejected() -> None:
    with pytest.raises(PersonaError, match="is not a"):
        check_blending_strategy(Blend(total, name="Two Words"))
    with pytest.raises(PersonaError, match="is not a"):
        check_capping_policy(Altered(lambda clamp: clamp, name="../floor"))


def test_a_policy_is_tried_with_a_drifting_conversation() -> None:
    @dataclass(frozen=True)
    class Fragile:
        name: str = "fragile"

        def clamps(self, context: CappingContext) -> list[ClampProjection]:
            low = 1.0 if len(context.history) > 2 else 0.0
            return [ClampProjection(0, context.axes["safety"].directions[0], low, high=0.5)]

    with pytest.raises(AssertionError, match=r"runs from 1 to 0\.5"):
        check_capping_policy(Fragile())


def test_a_policy_may_refuse_to_work_without_the_assistant_axis() -> None:
    @dataclass(frozen=True)
    class Strict:
        name: str = "strict"

        def clamps(self, context: CappingContext) -> list[ClampProjection]:
            if "assistant" not in context.axes:
                raise SafetyUnavailable("run `persona-steer extract-axes`")
            return []

    check_capping_policy(Strict())
