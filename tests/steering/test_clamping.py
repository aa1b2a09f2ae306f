"""Clamps of one layer at any angle: the nearest point within all bounds, whatever their order, also after a cast."""

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from persona_core.steering.clamping import ArmedClamp, Joint, cast_all, clamp_all
from persona_core.steering.layer import arm
from persona_core.steering.plan import ClampProjection, SteeringPlan
from persona_core.vectors.maths import cast_into_range, shift_into_range, unit

HIDDEN = 12
EPS32 = torch.finfo(torch.float32).eps
Bounds = tuple[float, float]


def axes(n: int, seed: int, alike: float, hidden: int = HIDDEN) -> list[Tensor]:
    """Return directions of length 1 that share a part: cosines of about alike² / (1 + alike²), up to their signs."""
    chance = torch.Generator().manual_seed(seed)
    own, shared = torch.randn(n, hidden, generator=chance), torch.randn(1, hidden, generator=chance)
    signs = torch.randint(2, (n, 1), generator=chance) * 2.0 - 1.0
    return list(signs * unit(unit(own) + alike * unit(shared)))


def stream(seed: int, rows: int = 1, tokens: int = 5) -> Tensor:
    return 3 * torch.randn(rows, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed + 1))


def armed(directions: Sequence[Tensor], bounds: Sequence[Bounds]) -> list[ArmedClamp]:
    """Return clamps of one row."""
    return [
        ArmedClamp(
            direction.view(1, 1, -1),
            torch.tensor([[low]]),
            torch.tensor([[high]]) if high < math.inf else None,
        )
        for direction, (low, high) in zip(directions, bounds, strict=True)
    ]


def at_60_degrees(one: float, other: float) -> list[ArmedClamp]:
    """Return floors on the first direction and on one at 60 degrees to it."""
    first, second = torch.eye(HIDDEN)[:2]
    return armed([first, first / 2 + second * math.sqrt(0.75)], [(one, math.inf), (other, math.inf)])


def clamped(hidden: Tensor, clamps: Sequence[ArmedClamp]) -> Tensor:
    return clamp_all(hidden, clamps, Joint.of(clamps), EPS32)[0]


def outside(hidden: Tensor, directions: Sequence[Tensor], bounds: Sequence[Bounds]) -> float:
    """Return how far outside its worst bound any token lies, in float64."""
    worst = 0.0
    for direction, (low, high) in zip(directions, bounds, strict=True):
        found = hidden.double() @ direction.double()
        worst = max(worst, float((low - found).max()), float((found - high).max()))
    return worst


def by_dual_ascent(hidden: Tensor, directions: Sequence[Tensor], bounds: Sequence[Bounds]) -> Tensor:
    """Return the nearest points by Hildreth's dual coordinate ascent in float64: slow, and another algorithm."""
    rows = torch.stack(list(directions)).double()
    points, shifts = hidden.double().reshape(-1, HIDDEN).clone(), torch.zeros(hidden.numel() // HIDDEN, len(rows))
    shifts = shifts.double()
    for _ in range(1000):
        for place, (low, high) in enumerate(bounds):
            free = points @ rows[place] - shifts[:, place]
            new = (low - free).clamp_min(0) - (free - high).clamp_min(0)
            points = points + (new - shifts[:, place])[:, None] * rows[place]
            shifts[:, place] = new
    return points.view(hidden.shape)


lows = st.floats(-4, 4).map(lambda low: (low, math.inf))
bands = st.tuples(st.floats(-4, 4), st.floats(0.5, 6)).map(lambda drawn: (drawn[0], drawn[0] + drawn[1]))
bounds = st.lists(lows | bands, min_size=2, max_size=4)
seeds, likeness = st.integers(0, 2**31), st.floats(0, 2)


@given(bounds, seeds, likeness)
def test_every_token_meets_every_bound(wanted: list[Bounds], seed: int, alike: float) -> None:
    directions = axes(len(wanted), seed, alike)
    assert outside(clamped(stream(seed), armed(directions, wanted)), directions, wanted) < 2e-5


@pytest.mark.slow
@settings(max_examples=15)
@given(bounds, seeds, st.floats(0, 1))
def test_the_point_is_the_nearest_one(wanted: list[Bounds], seed: int, alike: float) -> None:
    directions, hidden = axes(len(wanted), seed, alike), stream(seed)
    reference = by_dual_ascent(hidden, directions, wanted)
    found = clamped(hidden, armed(directions, wanted)).double()
    torch.testing.assert_close(found, reference, rtol=1e-4, atol=1e-4)


def test_one_clamp_after_the_other_is_not_the_nearest_point() -> None:
    clamps, hidden = at_60_degrees(1.0, 1.0), torch.zeros(1, 1, HIDDEN)
    in_turn = clamp_all(hidden, clamps, None, EPS32)[0]
    assert float(in_turn.norm()) == pytest.approx(math.sqrt(1.75), abs=1e-5)
    assert float(clamped(hidden, clamps).norm()) == pytest.approx(math.sqrt(4 / 3), abs=1e-5)


@given(bounds, seeds, likeness)
def test_the_order_of_the_clamps_changes_nothing(wanted: list[Bounds], seed: int, alike: float) -> None:
    directions, hidden = axes(len(wanted), seed, alike), stream(seed)
    clamps = armed(directions, wanted)
    first = clamped(hidden, clamps)
    for order in itertools.permutations(clamps):
        torch.testing.assert_close(clamped(hidden, order), first, rtol=1e-5, atol=5e-5)


@given(lows | bands, seeds, st.sampled_from([torch.float32, torch.bfloat16]))
def test_one_clamp_alone_gives_what_its_own_shift_gives_bit_by_bit(
    wanted: Bounds, seed: int, dtype: torch.dtype
) -> None:
    hidden, eps = stream(seed).to(dtype).float(), torch.finfo(dtype).eps
    (clamp,) = armed(axes(1, seed, 0), [wanted])
    shift, before = shift_into_range(hidden, clamp.unit_direction, clamp.low, clamp.high, eps)
    alone = hidden + shift.unsqueeze(-1) * clamp.unit_direction
    steered, ((own, reached),) = clamp_all(hidden, [clamp], Joint.of([clamp]), eps)
    assert torch.equal(steered, alone)
    assert torch.equal(own, shift)
    assert torch.equal(reached, before)
    wanted_cast = cast_into_range(alone, dtype, clamp.unit_direction, clamp.low, clamp.high)[1]
    assert torch.equal(cast_all(steered, dtype, [clamp]), wanted_cast)


@given(bounds, seeds, likeness)
def test_tokens_within_all_bounds_stay_bit_identical(wanted: list[Bounds], seed: int, alike: float) -> None:
    directions, hidden = axes(len(wanted), seed, alike), stream(seed, tokens=40)
    inside = torch.ones(1, 40, dtype=torch.bool)
    for direction, (low, high) in zip(directions, wanted, strict=True):
        found = (hidden * direction).sum(-1)
        inside &= (found >= low) & (found <= high)
    assert torch.equal(clamped(hidden, armed(directions, wanted))[inside], hidden[inside])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@given(st.lists(lows, min_size=2, max_size=3), seeds, st.floats(0, 1))
def test_every_floor_holds_after_the_cast(dtype: torch.dtype, wanted: list[Bounds], seed: int, alike: float) -> None:
    directions, hidden = axes(len(wanted), seed, alike), stream(seed)
    clamps = armed(directions, wanted)
    steered, _ = clamp_all(hidden, clamps, Joint.of(clamps), torch.finfo(dtype).eps)
    cast = cast_all(steered, dtype, clamps)
    assert cast.dtype == dtype
    assert outside(cast, directions, wanted) < 2e-5
    assert torch.equal(cast_all(steered, dtype, clamps, stop_early=False), cast)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("seed", range(6))
def test_every_floor_holds_on_a_cast_stream_at_the_production_size(dtype: torch.dtype, seed: int) -> None:
    """Shifts that are small beside the stream's own spacing, half of the streams with a massive activation."""
    directions, chance = axes(3, seed, 1.5, 3584), torch.Generator().manual_seed(seed)
    hidden = 5 * torch.randn(1, 24, 3584, generator=chance)
    hidden[..., 7] += 500 * (seed % 2)
    hidden = hidden.to(dtype).float()
    wanted = [(float((hidden @ direction).median()) + 0.1, math.inf) for direction in directions]
    clamps = armed(directions, wanted)
    steered, _ = clamp_all(hidden, clamps, Joint.of(clamps), torch.finfo(dtype).eps)
    assert outside(cast_all(steered, dtype, clamps), directions, wanted) < 1e-4


def test_a_token_on_its_bounds_is_within_them() -> None:
    a, b = torch.eye(HIDDEN)[:2]
    hidden = (a + 2 * b).view(1, 1, -1)
    assert torch.equal(clamped(hidden, armed([a, b], [(1.0, math.inf), (-1.0, 2.0)])), hidden)


def test_two_floors_at_60_degrees_by_hand() -> None:
    """From the origin to <x,a> >= 1 and <x,b> >= 1: along a + b, where both are 1."""
    clamps = at_60_degrees(1.0, 1.0)
    both = (clamps[0].unit_direction + clamps[1].unit_direction) / 1.5
    torch.testing.assert_close(clamped(torch.zeros(1, 1, HIDDEN), clamps), both, rtol=0, atol=1e-5)


def test_a_floor_that_another_meets_on_its_way_moves_nothing() -> None:
    """From the origin to <x,a> >= 2 and <x,b> >= 0.5: 2a is within both."""
    clamps = at_60_degrees(2.0, 0.5)
    _, lifts = clamp_all(torch.zeros(1, 1, HIDDEN), clamps, Joint.of(clamps), EPS32)
    assert [float(shift) for shift, _ in lifts] == [pytest.approx(2.0, abs=1e-5), 0.0]


def test_where_bounds_contradict_each_other_the_last_holds() -> None:
    (a,) = axes(1, 3, 0)
    found = clamped(stream(3), armed([-a, a], [(1.0, math.inf), (2.0, math.inf)]))
    assert outside(found, [a], [(2.0, math.inf)]) < 1e-5


@given(seeds, likeness)
def test_rows_of_a_batch_come_out_as_alone(seed: int, alike: float) -> None:
    """One row with two floors, one with none, one with a floor and a band."""
    one, other, third = axes(3, seed, alike)
    plans = [
        SteeringPlan(clamps=(ClampProjection(0, one, low=1.0), ClampProjection(0, other, low=2.0))),
        SteeringPlan(clamps=(ClampProjection(0, third),)),
        SteeringPlan(clamps=(ClampProjection(0, other, low=2.0), ClampProjection(0, third, low=-1.0, high=0.5))),
    ]
    hidden = stream(seed, rows=3)
    together = arm(plans, torch.device("cpu"))[0](hidden)
    assert outside(together[:1], [one, other], [(1.0, math.inf), (2.0, math.inf)]) < 2e-5
    chosen = arm(plans, torch.device("cpu"))[0].select([2, 0])(hidden[[2, 0]])
    for row, plan in enumerate(plans):
        alone = arm([plan], torch.device("cpu"))[0](hidden[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(chosen, together[[2, 0]], rtol=1e-5, atol=1e-5)
