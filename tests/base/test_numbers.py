"""Numbers: how they are written for people."""

import pytest

from persona_core.base.numbers import signed


@pytest.mark.parametrize(("value", "words"), [(0.126, "+0.13"), (-0.126, "-0.13"), (-0.001, "+0.00"), (12.0, "+12.00")])
def test_a_number_has_its_sign_and_zero_is_never_negative(value: float, words: str) -> None:
    assert signed(value) == words
