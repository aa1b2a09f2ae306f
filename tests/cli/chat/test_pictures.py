"""Pictures in text have the width that is asked for, and rise with the values."""

from hypothesis import given
from hypothesis import strategies as st

from persona_core.cli.chat.pictures import CURVE, PLAIN_CURVE, averaged, bars, curve, gauge

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=200)


@given(VALUES, st.integers(1, 80))
def test_a_curve_is_as_wide_as_its_values_up_to_the_width(values: list[float], width: int) -> None:
    assert len(curve(values, width)) == min(len(values), width)


def test_a_curve_goes_from_the_lowest_block_to_the_highest() -> None:
    assert curve([0, 1, 2, 3, 4, 5, 6, 7], 8) == CURVE
    assert curve([0, 1, 2, 3, 4, 5, 6, 7], 8, plain=True) == PLAIN_CURVE
    assert curve([5, 5, 5], 8) == CURVE[0] * 3
    assert curve([], 8) == ""


@given(VALUES, st.integers(1, 80))
def test_averages_keep_to_the_range_of_the_values(values: list[float], width: int) -> None:
    shown = averaged(values, width)
    assert len(shown) == min(len(values), width)
    assert min(values) - 1e-9 <= min(shown)
    assert max(shown) <= max(values) + 1e-9


def test_the_longest_bar_is_that_of_the_largest_share() -> None:
    lines = bars({3: 0.01, 12: 0.02}, 10, plain=True)
    assert lines == ["  layer   3  #####       1.0%", "  layer  12  ##########  2.0%"]


@given(st.floats(-50, 50), st.floats(-50, 50) | st.none(), st.integers(3, 60))
def test_a_gauge_has_its_width_one_dot_and_at_most_one_mark(value: float, edge: float | None, width: int) -> None:
    shown = gauge(value, -10, 10, width, edge, plain=True)
    assert len(shown) == width
    assert shown.count("o") == 1
    assert shown.count("|") <= (edge is not None)


def test_a_gauge_shows_on_which_side_of_the_edge_a_value_lies() -> None:
    assert gauge(5, 0, 10, 10, 2, plain=True) == "..|..o...."
    assert gauge(-99, 0, 10, 10, 2, plain=True) == "o.|......."
