"""The arithmetic: properties of each function, with one small example that can be checked by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from persona_core.vectors import maths as vm

HIDDEN = 8
EPS32 = torch.finfo(torch.float32).eps
REDUCED = (torch.bfloat16, torch.float16)


def tensors(*shape: int, limit: float = 100.0) -> st.SearchStrategy[Tensor]:
    """Draw float32 tensors of numbers that are 0 or at least 0.001 in size."""
    size = st.floats(-limit, limit, width=32)
    number = size.map(lambda value: value if abs(value) >= 1e-3 else 0.0)
    return arrays(np.float32, shape, elements=number).map(torch.tensor)


def units(*shape: int) -> st.SearchStrategy[Tensor]:
    """Draw rows of length 1."""
    rows = tensors(*shape).filter(lambda drawn: bool((drawn.norm(dim=-1) > 0.1).all()))
    return rows.map(vm.unit)


def streams() -> st.SearchStrategy[Tensor]:
    """Draw a batch of 2 rows of 3 tokens."""
    return tensors(2, 3, HIDDEN)


def ranges() -> st.SearchStrategy[tuple[float, float]]:
    """Draw bounds that are open, half open or closed."""
    bound = st.floats(-200, 200, width=32)
    closed = st.tuples(bound, bound).map(lambda pair: (min(pair), max(pair)))
    return closed | bound.map(lambda low: (low, math.inf)) | bound.map(lambda high: (-math.inf, high))


def project(hidden: Tensor, along: Tensor) -> Tensor:
    """Return the projection as the code computes it."""
    return (hidden.float() * along).sum(-1)


def exact(hidden: Tensor, along: Tensor) -> Tensor:
    """Return the projection in float64, free of the test's own rounding."""
    return (hidden.double() * along.double()).sum(-1)


def dot_rounding(hidden: Tensor, along: Tensor) -> Tensor:
    """Return the most that a float32 sum of products can be off: one rounding a term, of all terms' sizes."""
    return hidden.shape[-1] * EPS32 * (hidden.double() * along.double()).abs().sum(-1) + 1e-6


def slack(before: Tensor, along: Tensor, low: float, high: float) -> Tensor:
    """Return how far float32 may be off for these tokens: the margin, and the dot product of both ends."""
    bounds = [abs(bound) for bound in (low, high) if math.isfinite(bound)]
    return (2 * vm.MARGIN + HIDDEN) * EPS32 * (exact(before.abs(), along.abs()) + max(bounds)) + 1e-6


@given(streams(), units(HIDDEN), ranges())
def test_clamp_leaves_in_range_tokens_bit_identical(hidden: Tensor, along: Tensor, bounds: tuple[float, float]) -> None:
    low, high = bounds
    before = project(hidden, along)
    inside = (before >= low) & (before <= high)
    assert torch.equal(vm.clamp_projection(hidden, along, low, high)[inside], hidden[inside])


@given(streams(), units(HIDDEN), ranges())
def test_clamp_brings_every_token_into_range(hidden: Tensor, along: Tensor, bounds: tuple[float, float]) -> None:
    low, high = bounds
    after = exact(vm.clamp_projection(hidden, along, low, high), along)
    tolerance = slack(hidden, along, low, high)
    assert bool((after >= low - tolerance).all())
    assert bool((after <= high + tolerance).all())


@given(streams(), units(HIDDEN), ranges())
def test_clamp_is_idempotent(hidden: Tensor, along: Tensor, bounds: tuple[float, float]) -> None:
    low, high = bounds
    once = vm.clamp_projection(hidden, along, low, high)
    twice = vm.clamp_projection(once, along, low, high)
    assert bool(((twice - once).norm(dim=-1) <= slack(hidden, along, low, high)).all())


@given(streams(), units(HIDDEN), ranges())
def test_clamp_leaves_the_part_orthogonal_to_the_direction(
    hidden: Tensor, along: Tensor, bounds: tuple[float, float]
) -> None:
    change = vm.clamp_projection(hidden, along, *bounds).double() - hidden.double()
    sideways = change - exact(change, along).unsqueeze(-1) * along.double()
    size = hidden.double().norm(dim=-1) + change.norm(dim=-1)
    assert bool((sideways.norm(dim=-1) <= 4 * EPS32 * size).all())


@given(streams(), streams(), units(HIDDEN), ranges())
def test_clamp_never_drives_two_tokens_apart_along_the_axis(
    one: Tensor, other: Tensor, along: Tensor, bounds: tuple[float, float]
) -> None:
    after = [exact(vm.clamp_projection(hidden, along, *bounds), along) for hidden in (one, other)]
    apart = (exact(one, along) - exact(other, along)).abs()
    tolerance = slack(one, along, *bounds) + slack(other, along, *bounds)
    assert bool(((after[0] - after[1]).abs() <= apart + tolerance).all())


@pytest.mark.parametrize("dtype", REDUCED)
@given(hidden=streams(), along=units(HIDDEN), low=st.floats(-200, 200, width=32))
@example(hidden=torch.zeros(1, 1, HIDDEN), along=torch.full((HIDDEN,), HIDDEN**-0.5), low=101.3)
def test_clamp_holds_after_the_cast_for_any_eight_numbers(
    dtype: torch.dtype, hidden: Tensor, along: Tensor, low: float
) -> None:
    """A cast is off by eps/2 times the sum of the products' sizes, at most sqrt(8)/2 eps = 1.42 eps times their
    length: under the margin of 1.5 eps. So no share of the floor is given away, only the rounding of the float32 dot
    product that the clamp decides by, and float16's spacing below its normal numbers."""
    hidden = hidden.to(dtype)
    clamped = vm.clamp_projection(hidden, along, low)
    tolerance = dot_rounding(hidden, along) + dot_rounding(clamped, along) + 1e-6
    assert bool((exact(clamped, along) >= low - tolerance).all())


def draw_stream(seed: int, hidden_size: int, scale: float) -> tuple[Tensor, Tensor]:
    """Return 32 random tokens with one massive activation, and a random direction."""
    random = torch.Generator().manual_seed(seed)
    hidden = scale * torch.randn(1, 32, hidden_size, generator=random)
    hidden[..., 7] += 100 * scale * (seed % 2)
    return hidden, vm.unit(torch.randn(hidden_size, generator=random))


def clamp_and_cast(hidden: Tensor, along: Tensor, low: float, dtype: torch.dtype) -> Tensor:
    """Clamp a float32 stream for `dtype` and cast it, as the steering module does after an addition."""
    floor, ceiling = torch.tensor([[low]]), torch.tensor([[math.inf]])
    shift, _ = vm.shift_into_range(hidden, along.view(1, 1, -1), floor, ceiling, torch.finfo(dtype).eps)
    return (hidden + shift.unsqueeze(-1) * along).to(dtype)


@pytest.mark.parametrize("dtype", REDUCED)
@pytest.mark.parametrize("hidden_size", [576, 3584])
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), scale=st.sampled_from([0.1, 5.0, 50.0]))
def test_clamp_of_a_float32_stream_holds_after_the_cast_at_real_sizes(
    dtype: torch.dtype, hidden_size: int, seed: int, scale: float
) -> None:
    """Here the margin is some standard deviations of the rounding and no proof, so 0.02% of the floor is granted.

    Only tokens that were below the floor count: one in range is left to the cast, which may take it down."""
    hidden, along = draw_stream(seed, hidden_size, scale)
    before = project(hidden, along)
    low = float(before.median()) + scale * (seed % 4)
    cast = clamp_and_cast(hidden, along, low, dtype)
    tolerance = 2e-4 * abs(low) + dot_rounding(hidden, along) + dot_rounding(cast, along)
    assert bool((exact(cast, along) >= low - tolerance)[before < low].all())


@pytest.mark.parametrize("dtype", REDUCED)
@given(seed=st.integers(0, 2**32))
def test_clamp_of_a_cast_stream_never_takes_a_token_further_from_the_floor(dtype: torch.dtype, seed: int) -> None:
    hidden, along = draw_stream(seed, 576, 5.0)
    hidden = hidden.to(dtype)
    low = float(project(hidden, along).median())
    gained = exact(vm.clamp_projection(hidden, along, low), along) - exact(hidden, along)
    assert bool((gained >= 0).all())


def test_clamp_of_a_bfloat16_stream_holds_at_the_production_size() -> None:
    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(1, 1000, 3584, generator=random).to(torch.bfloat16)
    along = vm.unit(torch.randn(3584, generator=random))
    low = 0.5
    clamped = vm.clamp_projection(hidden, along, low)
    tolerance = 2e-4 * low + dot_rounding(clamped, along)
    assert bool((exact(clamped, along) >= low - tolerance).all())


def test_without_the_margin_half_of_the_lifted_tokens_end_below_the_floor() -> None:
    random = torch.Generator().manual_seed(0)
    hidden = 5 * torch.randn(1, 400, 576, generator=random)
    along = vm.unit(torch.randn(576, generator=random))
    lifted = project(hidden, along) < 10
    plain = hidden + (10 - project(hidden, along)).clamp_min(0).unsqueeze(-1) * along
    below = exact(plain.bfloat16(), along)[lifted] < 10 - 2e-3
    assert float(below.double().mean()) > 0.3
    held = exact(clamp_and_cast(hidden, along, 10.0, torch.bfloat16), along)[lifted]
    assert bool((held >= 10 - 2e-3).all())


def test_clamp_raises_one_token_to_the_floor_and_no_other() -> None:
    hidden = torch.tensor([[[1.0, 4.0], [3.0, 5.0]]])
    clamped = vm.clamp_projection(hidden, torch.tensor([1.0, 0.0]), low=2.0)
    torch.testing.assert_close(clamped, torch.tensor([[[2.0, 4.0], [3.0, 5.0]]]))


def test_a_row_with_an_infinite_range_is_never_shifted() -> None:
    hidden = torch.ones(1, 2, 3)
    infinite = torch.tensor([[math.inf]])
    shift, before = vm.shift_into_range(hidden, torch.zeros(1, 1, 3), -infinite, infinite, EPS32)
    assert not shift.any()
    assert not before.any()


@given(streams(), units(2, 1, HIDDEN), tensors(2, 1))
def test_shift_into_range_serves_each_row_with_its_own_direction(hidden: Tensor, along: Tensor, low: Tensor) -> None:
    high = torch.full_like(low, math.inf)
    together, _ = vm.shift_into_range(hidden, along, low, high, EPS32)
    for row in range(2):
        part = slice(row, row + 1)
        alone, _ = vm.shift_into_range(hidden[part], along[part], low[part], high[part], EPS32)
        torch.testing.assert_close(together[part], alone, rtol=1e-5, atol=1e-4)


@given(tensors(3, HIDDEN))
def test_unit_rows_have_length_one_and_rows_of_zeros_stay(rows: Tensor) -> None:
    lengths = vm.unit(rows).norm(dim=-1)
    wanted = (rows.norm(dim=-1) > 0).float()
    torch.testing.assert_close(lengths, wanted)


@given(tensors(3, HIDDEN), tensors(3, HIDDEN))
def test_orthogonalise_is_exact_and_idempotent(rows: Tensor, axis: Tensor) -> None:
    once = vm.orthogonalise(rows, axis)
    size = rows.double().norm(dim=-1) + 1e-6
    assert bool((exact(once, vm.unit(axis)).abs() <= 4 * EPS32 * size).all())
    again = vm.orthogonalise(once, axis)
    assert bool(((again - once).norm(dim=-1) <= 4 * EPS32 * size).all())


@given(tensors(3, HIDDEN))
def test_orthogonalise_leaves_what_has_no_axis(rows: Tensor) -> None:
    assert torch.equal(vm.orthogonalise(rows, torch.zeros_like(rows)), rows)


def test_orthogonalise_takes_one_coordinate_out() -> None:
    out = vm.orthogonalise(torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0]]))
    torch.testing.assert_close(out, torch.tensor([[0.0, 4.0]]))


@given(tensors(2, HIDDEN), tensors(3, 2, HIDDEN))
def test_project_out_span_is_exact_and_idempotent(direction: Tensor, span: Tensor) -> None:
    once = vm.project_out_span(direction, span)
    size = direction.double().norm(dim=-1) + 1e-6
    for persona in vm.unit(span):
        assert bool((exact(once, persona).abs() <= 8 * EPS32 * size).all())
    again = vm.project_out_span(once, span)
    assert bool(((again - once).norm(dim=-1) <= 8 * EPS32 * size).all())


@given(tensors(2, HIDDEN), tensors(1, 2, HIDDEN), st.integers(1, 4))
def test_project_out_span_takes_nothing_more_for_a_persona_given_twice(
    direction: Tensor, span: Tensor, times: int
) -> None:
    once = vm.project_out_span(direction, span)
    torch.testing.assert_close(vm.project_out_span(direction, span.repeat(times, 1, 1)), once, rtol=1e-5, atol=1e-4)


def test_project_out_span_leaves_what_lies_outside_the_span() -> None:
    direction = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.equal(vm.project_out_span(direction, torch.zeros(2, 1, 3)), direction)
    out = vm.project_out_span(direction, torch.tensor([[[0.0, 0.0, 5.0]]]))
    torch.testing.assert_close(out, torch.tensor([[1.0, 2.0, 0.0]]))


@given(tensors(4, 2, HIDDEN), tensors(3, 2, HIDDEN))
def test_mean_difference_changes_sign_with_its_sides(positive: Tensor, negative: Tensor) -> None:
    forth, back = vm.mean_difference(positive, negative), vm.mean_difference(negative, positive)
    assert torch.equal(forth, -back)
    torch.testing.assert_close(forth, positive.mean(0) - negative.mean(0))


@given(tensors(2, HIDDEN), tensors(2, HIDDEN))
def test_persona_direction_runs_from_centred_to_raw(raw: Tensor, shared: Tensor) -> None:
    assert torch.equal(vm.persona_direction(raw, shared, 0.0), raw - shared)
    torch.testing.assert_close(vm.persona_direction(raw, shared, 1.0), raw, rtol=1e-5, atol=1e-4)


@given(tensors(3, HIDDEN), tensors(3, HIDDEN))
def test_cosine_is_symmetric_and_within_one(one: Tensor, other: Tensor) -> None:
    assert torch.equal(vm.cosine(one, other), vm.cosine(other, one))
    assert bool((vm.cosine(one, other).abs() <= 1 + 4 * EPS32).all())


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9), st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_auc_is_the_share_of_pairs_in_order(positive: list[int], negative: list[int]) -> None:
    pairs = [(one, other) for one in positive for other in negative]
    wanted = sum((one > other) + 0.5 * (one == other) for one, other in pairs) / len(pairs)
    found = vm.auc(torch.tensor(positive).float(), torch.tensor(negative).float())
    assert found == pytest.approx(wanted)


def levels() -> st.SearchStrategy[list[float]]:
    """Draw percentiles in order."""
    return st.lists(st.floats(0, 100), min_size=1, max_size=6).map(sorted)


@given(st.integers(1, 40).flatmap(lambda n: tensors(n, 2)), levels())
def test_quantiles_match_numpy(values: Tensor, wanted: list[float]) -> None:
    reference = np.percentile(values.double().numpy(), wanted, axis=0)
    found = vm.quantiles(values, wanted)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), reference, rtol=1e-5, atol=1e-4)


def test_quantiles_reach_the_last_of_very_many_values() -> None:
    count = 2**24 + 4
    values = torch.zeros(count, 1)
    values[-1] = 1.0
    assert vm.quantiles(values, [0.0, 100.0]).flatten().tolist() == [0.0, 1.0]


@given(tensors(2, 3, HIDDEN), arrays(bool, (2, 3)))
def test_masked_mean_counts_only_what_the_mask_keeps(hidden: Tensor, kept: Any) -> None:
    mask = torch.tensor(kept)
    found = vm.masked_mean(hidden, mask)
    for row in range(2):
        tokens = hidden[row][mask[row]]
        wanted = tokens.mean(0) if len(tokens) else torch.zeros(HIDDEN)
        torch.testing.assert_close(found[row], wanted, rtol=1e-5, atol=1e-4)
