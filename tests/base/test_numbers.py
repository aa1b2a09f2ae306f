"""Numbers: how they are written for people."""

import pytest

from persona_core.base.numbers import above, signed


@pytest.mark.parametrize(("value", "words"), [(0.126, "+0.13"), (-0.126, "-0.13"), (-0.001, "+0.00"), (12.0, "+12.00")])
def test_a_number_has_its_sign_and_zero_is_never_negative(value: float, words: str) -> None:
    assert signed(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.5, "0.50 above"), (-11.2, "11.20 below"), (-0.001, "0.00 above"), (0.0, "0.00 above")]
)
def test_a_distance_says_on_which_side_of_the_bound_it_lies(value: float, words: str) -> None:
    assert above(value) == words
