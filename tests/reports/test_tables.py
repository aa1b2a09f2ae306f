"""Tables of words: how figures are written."""

import pytest

from persona_core.evaluation.statistics import Interval
from persona_core.reports.tables import share, share_interval, signed


@pytest.mark.parametrize(("value", "words"), [(0.126, "+0.13"), (-0.126, "-0.13"), (-0.001, "+0.00"), (12.0, "+12.00")])
def test_a_figure_has_its_sign_and_zero_is_never_negative(value: float, words: str) -> None:
    assert signed(value) == words


def test_shares_are_written_in_per_cent_with_their_interval() -> None:
    assert share(0.0425) == "4.2%"
    assert share_interval(Interval(value=0.5, low=0.256, high=0.75)) == "50.0% [25.6, 75.0]"
