"""Blending: linear, the same in any order, and a weight of zero is absent."""

import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from persona_core.errors import SteeringError
from persona_core.steering.blending import BalancedSum, WeightedSum, WeightedVector, parse_blend
from persona_core.vectors.vector import PersonaVector

VectorMaker = Callable[..., PersonaVector]
NAMES = ("creator", "explorer", "guardian", "sage")
weights = st.lists(st.floats(0, 2, width=32), min_size=1, max_size=4)


def parts_of(make_vector: VectorMaker, values: list[float]) -> list[WeightedVector]:
    """Return one persona a weight, each with its own directions."""
    return [
        WeightedVector(make_vector(name, seed), value)
        for seed, (name, value) in enumerate(zip(NAMES, values, strict=False))
    ]


@given(weights, st.floats(0, 2, width=32))
def test_a_blend_is_linear_in_its_weights(make_vector: VectorMaker, values: list[float], factor: float) -> None:
    whole = WeightedSum().blend(parts_of(make_vector, values))
    scaled = WeightedSum().blend(parts_of(make_vector, [factor * value for value in values]))
    torch.testing.assert_close(scaled, factor * whole)
    single = [WeightedSum().blend([part]) for part in parts_of(make_vector, values)]
    torch.testing.assert_close(torch.stack(single).sum(0), whole)


@given(weights)
def test_a_blend_is_bit_identical_in_any_order(make_vector: VectorMaker, values: list[float]) -> None:
    parts = parts_of(make_vector, values)
    whole = WeightedSum().blend(parts)
    assert all(torch.equal(WeightedSum().blend(order), whole) for order in itertools.permutations(parts))


@given(weights.filter(lambda drawn: len(drawn) < 4))
def test_a_weight_of_zero_is_absent(make_vector: VectorMaker, values: list[float]) -> None:
    with_zero = parts_of(make_vector, [*values, 0.0])
    assert torch.equal(WeightedSum().blend(with_zero), WeightedSum().blend(with_zero[:-1]))


def test_one_persona_at_weight_one_is_its_own_displacement(make_vector: VectorMaker) -> None:
    sage = make_vector("sage")
    blend = WeightedSum().blend([WeightedVector(sage, 1.0)])
    assert torch.equal(blend, sage.displacement())
    assert not blend[[0, 3]].any()


@given(weights, st.floats(0.125, 2, width=32))
def test_a_balanced_blend_grows_with_its_weights_and_knows_no_order(
    make_vector: VectorMaker, values: list[float], factor: float
) -> None:
    parts = parts_of(make_vector, values)
    whole = BalancedSum().blend(parts)
    scaled = BalancedSum().blend(parts_of(make_vector, [factor * value for value in values]))
    torch.testing.assert_close(scaled, factor * whole)
    assert all(torch.equal(BalancedSum().blend(order), whole) for order in itertools.permutations(parts))


@given(weights.filter(lambda drawn: len(drawn) < 4))
def test_a_weight_of_zero_is_absent_from_a_balanced_blend(make_vector: VectorMaker, values: list[float]) -> None:
    with_zero = parts_of(make_vector, [*values, 0.0])
    torch.testing.assert_close(BalancedSum().blend(with_zero), BalancedSum().blend(with_zero[:-1]))


def test_a_balanced_blend_of_one_persona_is_its_own_displacement(make_vector: VectorMaker) -> None:
    sage = make_vector("sage")
    torch.testing.assert_close(BalancedSum().blend([WeightedVector(sage, 0.7)]), 0.7 * sage.displacement())


def test_a_balanced_blend_of_equal_parts_is_a_fifth_longer_than_they_are(make_vector: VectorMaker) -> None:
    parts = parts_of(make_vector, [0.5, 0.5])
    lengths = [part.vector.displacement().norm(dim=-1) for part in parts]
    blended = BalancedSum().blend(parts)
    torch.testing.assert_close(blended.norm(dim=-1), 1.2 * (lengths[0] + lengths[1]) / 2)
    shares = [torch.cosine_similarity(blended, part.vector.displacement(), dim=-1)[[1, 2]] for part in parts]
    torch.testing.assert_close(*shares)


@given(st.dictionaries(st.sampled_from(NAMES), st.floats(0, 2), min_size=1))
def test_a_written_blend_reads_back(blend: dict[str, float]) -> None:
    text = " , ".join(f"{name} : {weight!r}" for name, weight in blend.items())
    assert parse_blend(text) == blend


@given(st.text(max_size=30) | st.text("sage:,0.5- ", max_size=20))
@example("sage:nan")
def test_any_text_is_a_blend_or_refused(text: str) -> None:
    try:
        blend = parse_blend(text)
    except SteeringError as error:
        assert str(error)
    else:
        assert all(0 <= weight <= 2 for weight in blend.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sage", "'sage' in the blend has no weight"),
        ("sage:0.5,", "'' in the blend has no weight"),
        ("sage:much", "the weight of 'sage' is 'much', not a number"),
        ("sage:2.5", "the weight of 'sage' is 2.5: use 0.0-2.0"),
        ("sage:nan", "use 0.0-2.0"),
        ("sage:0.5,sage:0.3", "'sage' stands twice"),
        ("../sage:0.5", "is not a persona name"),
    ],
)
def test_a_wrong_blend_shows_the_part_that_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        parse_blend(text)
