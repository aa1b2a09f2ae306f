"""Blending strategies: their laws as properties, and one small example each that can be checked by hand."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from persona_blending_kit import GramSchmidt, NormPreserving, Slerp, Ties
from persona_blending_kit.arithmetic import gram_schmidt, norm_preserving, slerp, spherical_mean, ties, trimmed
from torch import Tensor

from persona_core import BlendingStrategy, PersonaVector, PluginManager, WeightedVector, unit
from persona_core.testing import check_blending_strategy, example_vector

ALL: list[BlendingStrategy] = [Slerp(), Ties(), Ties(density=0.5), GramSchmidt(), NormPreserving()]
NAMES = ("creator", "explorer", "guardian", "sage")
HIDDEN = 6
few = settings(max_examples=min(25, settings().max_examples), deadline=None)
weights = st.lists(st.floats(0.01, 2), min_size=1, max_size=4)


def displacements(parts: int, layers: int = 2) -> st.SearchStrategy[Tensor]:
    """Draw float64 displacements of integers, none of them zero."""
    numbers = arrays(np.float64, (parts, layers, HIDDEN), elements=st.integers(-9, 9).map(float))
    return numbers.map(torch.tensor).filter(lambda drawn: bool((drawn.norm(dim=-1) > 0).all()))


def parts_of(values: Sequence[float], make: Callable[[str], PersonaVector] = example_vector) -> list[WeightedVector]:
    """Return one persona a weight."""
    return [WeightedVector(make(name), value) for name, value in zip(NAMES, values, strict=False)]


def textbook_slerp(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Return spherical linear interpolation of unit rows as Shoemake (1985) writes it."""
    angle = torch.arccos((one * other).sum(-1, keepdim=True).clamp(-1, 1))
    return (torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * other) / torch.sin(angle)


@pytest.mark.parametrize("strategy", ALL, ids=repr)
def test_a_strategy_keeps_the_contract(strategy: BlendingStrategy) -> None:
    check_blending_strategy(strategy)


@pytest.mark.parametrize("name", ["slerp", "ties", "gram-schmidt", "norm-preserving"])
def test_the_installed_entry_point_brings_the_strategy(name: str, persona_plugins: PluginManager) -> None:
    registered = persona_plugins.registry("register_blending_strategies")[name]
    assert registered.distribution == "persona-blending-kit"
    assert registered.value in ALL


@pytest.mark.parametrize("strategy", ALL, ids=repr)
@few
@given(weight=st.floats(0.01, 2))
def test_a_persona_alone_is_its_own_displacement(strategy: BlendingStrategy, weight: float) -> None:
    sage = example_vector("sage")
    torch.testing.assert_close(strategy.blend([WeightedVector(sage, weight)]), weight * sage.displacement())


@pytest.mark.parametrize("strategy", ALL, ids=repr)
@few
@given(values=weights)
def test_order_and_parts_of_no_weight_change_nothing(strategy: BlendingStrategy, values: list[float]) -> None:
    parts = parts_of(values)
    whole = strategy.blend(parts)
    assert all(torch.equal(strategy.blend(order), whole) for order in itertools.permutations(parts))
    absent = WeightedVector(example_vector("absent"), 0.0)
    assert torch.equal(strategy.blend([absent, *parts]), whole)


@pytest.mark.parametrize("strategy", ALL, ids=repr)
@few
@given(values=weights, factor=st.floats(0.1, 4))
def test_a_blend_grows_with_its_weights(strategy: BlendingStrategy, values: list[float], factor: float) -> None:
    scaled = strategy.blend(parts_of([factor * value for value in values]))
    torch.testing.assert_close(scaled, factor * strategy.blend(parts_of(values)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("strategy", ALL, ids=repr)
def test_weights_of_zero_alone_add_nothing(strategy: BlendingStrategy) -> None:
    assert not strategy.blend(parts_of([0.0, 0.0])).any()


@pytest.mark.parametrize("strategy", ALL, ids=repr)
def test_a_persona_that_is_alone_at_a_layer_is_whole_there(strategy: BlendingStrategy) -> None:
    sage, guardian = example_vector("sage"), example_vector("guardian")
    here, there = guardian.header.target_layers
    guardian = replace(guardian, header=guardian.header.model_copy(update={"target_layers": (there,)}))
    blend = strategy.blend([WeightedVector(sage, 0.6), WeightedVector(guardian, 0.3)])
    torch.testing.assert_close(blend[here], 0.6 * sage.displacement()[here])


@pytest.mark.parametrize("combine", [slerp, norm_preserving, lambda moved, own: ties(moved, own, 0.5)])
@few
@given(moved=displacements(3), values=st.lists(st.floats(0.1, 2), min_size=3, max_size=3))
def test_a_blend_is_as_long_as_its_weighted_parts_unless_they_cancel(
    combine: Callable[[Tensor, Tensor], Tensor], moved: Tensor, values: list[float]
) -> None:
    own = torch.tensor(values, dtype=torch.float64)
    together = (own[:, None] * moved.norm(dim=-1)).sum(0)
    lengths = combine(moved, own).norm(dim=-1)
    assert bool(((lengths - together).abs() < 1e-9 * together).logical_or(lengths == 0).all())


@few
@given(displacements(2), st.floats(0.02, 0.98))
def test_slerp_of_two_is_the_textbooks(moved: Tensor, share: float) -> None:
    one, other = unit(moved)
    apart = (one * other).sum(-1).abs() < 0.999
    found = spherical_mean(torch.stack([one, other]), torch.tensor([[1 - share], [share]], dtype=torch.float64))
    torch.testing.assert_close(found[apart], textbook_slerp(one, other, share)[apart], rtol=0, atol=1e-9)


@few
@given(displacements(3), st.lists(st.floats(0.1, 1), min_size=3, max_size=3), st.integers(0, 2**32))
def test_no_point_nearby_has_less_of_the_weighted_squared_angles(moved: Tensor, values: list[float], seed: int) -> None:
    """Directions within a quarter turn of each other have one mean; the drawn ones are moved that close."""
    around = torch.ones(HIDDEN, dtype=torch.float64)
    directions = unit(unit(moved) + 1.2 * unit(around))
    own = torch.tensor(values, dtype=torch.float64)[:, None].expand(3, 2)

    def spread(point: Tensor) -> Tensor:
        angles = torch.arccos((directions * point).sum(-1).clamp(-1, 1))
        return (own * angles.square()).sum(0)

    mean = spherical_mean(directions, own)
    torch.testing.assert_close(mean.norm(dim=-1), torch.ones(2, dtype=torch.float64))
    nudge = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert bool((spread(unit(mean + 1e-3 * nudge)) >= spread(mean) - 1e-12).all())


def test_slerp_of_a_right_angle_with_lengths_2_and_4() -> None:
    moved = torch.tensor([[[2.0, 0.0]], [[0.0, 4.0]]], dtype=torch.float64)
    found = slerp(moved, torch.tensor([2 / 3, 1 / 3], dtype=torch.float64))
    turned = math.radians(30)
    wanted = 8 / 3 * torch.tensor([[math.cos(turned), math.sin(turned)]], dtype=torch.float64)
    torch.testing.assert_close(found, wanted)


def test_slerp_of_opposed_parts_keeps_the_heavier_and_of_equal_ones_nothing() -> None:
    moved = torch.tensor([[[3.0, 0.0]], [[-3.0, 0.0]]], dtype=torch.float64)
    heavier = slerp(moved, torch.tensor([0.3, 0.7], dtype=torch.float64))
    torch.testing.assert_close(heavier, torch.tensor([[-3.0, 0.0]], dtype=torch.float64))
    assert not slerp(moved, torch.tensor([0.5, 0.5], dtype=torch.float64)).any()


@few
@given(displacements(3), st.floats(0.05, 1))
def test_trimming_keeps_the_largest_entries_as_they_are(moved: Tensor, density: float) -> None:
    found = trimmed(moved, density)
    kept = found != 0
    assert torch.equal(found[kept], moved[kept])
    smallest = found.abs().masked_fill(~kept, torch.inf).amin(-1)
    assert bool((moved.abs().masked_fill(kept, 0).amax(-1) < smallest).all())
    assert bool((kept.sum(-1) <= (moved.abs() >= smallest[..., None]).sum(-1)).all())


@few
@given(displacements(3), st.floats(0.05, 1), st.lists(st.floats(0.1, 2), min_size=3, max_size=3))
def test_ties_gives_each_entry_the_sign_with_more_weighted_mass(
    moved: Tensor, density: float, values: list[float]
) -> None:
    own = torch.tensor(values, dtype=torch.float64)
    mass = (own[:, None, None] * trimmed(moved, density)).sum(0)
    found = ties(moved, own, density)
    clear = mass.abs() > 1e-9
    assert torch.equal(found.sign()[clear], mass.sign()[clear])


def test_ties_of_two_parts_by_hand() -> None:
    """Kept are 4 and -3 of the first, -2 and 3 of the second; the first entry is elected +, the second -."""
    moved = torch.tensor([[[4.0, -3.0, 1.0, 0.0]], [[-2.0, 1.0, 0.0, 3.0]]], dtype=torch.float64)
    found = ties(moved, torch.tensor([0.5, 0.5], dtype=torch.float64), density=0.5)
    agreed = torch.tensor([[2.0, -1.5, 0.0, 1.5]], dtype=torch.float64)
    length = 0.5 * (math.sqrt(26) + math.sqrt(14))
    torch.testing.assert_close(found, agreed / agreed.norm() * length)


@few
@given(displacements(3), st.lists(st.floats(0.1, 2), min_size=3, max_size=3, unique=True))
def test_gram_schmidt_leaves_the_heaviest_whole_and_adds_nothing_along_it(moved: Tensor, values: list[float]) -> None:
    own = torch.tensor(values, dtype=torch.float64)
    first = int(own.argmax())
    added = gram_schmidt(moved, own) - own[first] * moved[first]
    assert bool(((added * unit(moved[first])).sum(-1).abs() < 1e-9).all())


def test_gram_schmidt_of_three_by_hand() -> None:
    moved = torch.tensor([[[3.0, 4.0, 0.0]], [[2.0, 0.0, 0.0]], [[5.0, 5.0, 1.0]]], dtype=torch.float64)
    found = gram_schmidt(moved, torch.tensor([0.5, 1.0, 0.25], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([[2.0, 2.0, 0.25]], dtype=torch.float64))


def test_gram_schmidt_adds_nothing_of_a_persona_given_twice() -> None:
    sage = example_vector("sage")
    again = replace(sage, header=sage.header.model_copy(update={"name": "sage-again"}))
    found = GramSchmidt().blend([WeightedVector(sage, 0.5), WeightedVector(again, 0.5)])
    torch.testing.assert_close(found, 0.5 * sage.displacement())


def test_gram_schmidt_settles_equal_weights_by_name() -> None:
    parts = parts_of([0.5, 0.5])
    along = (GramSchmidt().blend(parts) * unit(parts[0].vector.displacement())).sum(-1)
    torch.testing.assert_close(along, 0.5 * parts[0].vector.displacement().norm(dim=-1))


def test_norm_preserving_of_a_right_angle_by_hand() -> None:
    moved = torch.tensor([[[3.0, 0.0]], [[0.0, 4.0]]], dtype=torch.float64)
    found = norm_preserving(moved, torch.tensor([1.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([[4.2, 5.6]], dtype=torch.float64))
