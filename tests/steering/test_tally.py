"""Tally: queued tokens are counted as if one by one, and readings keep the order of a reply's tokens."""

import torch

from persona_core.steering.sums import Observation, Sums, sums_of
from persona_core.steering.tally import Tally

HIDDEN, CPU = 4, torch.device("cpu")


def token(value: float, rows: int = 2) -> Observation:
    """Return one token a row that steering has moved by one."""
    before = torch.full((rows, 1, HIDDEN), value)
    return Observation(before, before + 1, ())


def counting(tally: Tally, calls: list[int]):  # type: ignore[no-untyped-def]
    """Return a function that adds an observation to a tally and notes how many tokens it had."""

    def count(observation: Observation) -> None:
        calls.append(observation.before.shape[1])
        tally.merge(sums_of(observation, (), (), None), ...)

    return count


def test_queued_tokens_are_counted_64_at_a_time_and_none_is_lost() -> None:
    tally, calls = Tally(2, CPU), []
    count = counting(tally, calls)
    for value in range(1, 71):
        tally.defer(token(float(value)), count)
    assert calls == [64]
    sums = tally.settled()
    assert calls == [64, 6]
    alone = Sums.empty(2, CPU)
    for value in range(1, 71):
        alone.merge(sums_of(token(float(value)), (), (), None), ...)
    assert sums.tokens.tolist() == [70, 70]
    torch.testing.assert_close(sums.relative_change, alone.relative_change)


def test_looking_at_the_newest_token_counts_nothing() -> None:
    tally, calls = Tally(2, CPU), []
    assert tally.newest() is None
    tally.defer(token(1.0), counting(tally, calls))
    tally.defer(token(7.0), counting(tally, calls))
    assert calls == [1]  # another way to count settles what was queued for the first
    newest = tally.newest()
    assert newest is not None
    assert newest[0, 0, 0] == 8
    assert calls == [1]
    tally.settle()
    assert tally.newest() is None


def test_rows_are_copied_with_what_is_still_queued() -> None:
    tally, calls = Tally(2, CPU), []
    tally.defer(token(1.0), counting(tally, calls))
    tally.copy_rows([1, 0])
    assert tally.settled().tokens.tolist() == [1, 1]
    assert calls == [1]


def test_a_row_reads_its_own_tokens_in_their_order() -> None:
    tally = Tally(3, CPU)
    tally.add_readings(..., torch.tensor([[1.0], [2.0], [3.0]]))
    tally.add_readings(torch.tensor([0, 2]), torch.tensor([[10.0, 11.0], [30.0, 31.0]]))
    assert tally.projections(0) == [1.0, 10.0, 11.0]
    assert tally.projections(1) == [2.0]
    assert tally.projections(2) == [3.0, 30.0, 31.0]
