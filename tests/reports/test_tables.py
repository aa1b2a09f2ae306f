"""Tables of words: how figures are written."""

from persona_core.evaluation.statistics import Interval
from persona_core.reports.tables import share, share_interval


def test_shares_are_written_in_per_cent_with_their_interval() -> None:
    assert share(0.0425) == "4.2%"
    assert share_interval(Interval(value=0.5, low=0.256, high=0.75)) == "50.0% [25.6, 75.0]"
