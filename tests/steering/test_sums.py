"""Sums: an observation of many tokens counts what its tokens count one by one, and masked tokens count nothing."""

from dataclasses import astuple, fields

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from persona_core.steering.clamping import ArmedClamp, clamp_all
from persona_core.steering.sums import Observation, Sums, sums_of

HIDDEN, CPU = 8, torch.device("cpu")


def observation(seed: int, rows: int, tokens: int) -> tuple[Observation, list[ArmedClamp], list[ArmedClamp], Tensor]:
    """Return a clamped stream with its clamp, an audited bound, and what a probe reads of it."""
    chance = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(2, HIDDEN, generator=chance), dim=-1)
    clamps = [ArmedClamp(direction[0].expand(rows, 1, -1), torch.full((rows, 1), 0.3), None)]
    audits = [ArmedClamp(direction[1].expand(rows, 1, -1), torch.full((rows, 1), 0.2), torch.full((rows, 1), 0.6))]
    before = torch.randn(rows, tokens, HIDDEN, generator=chance)
    after, lifts = clamp_all(before, clamps, None, torch.finfo(torch.float32).eps)
    return Observation(before, after, lifts), clamps, audits, (after * direction[0]).sum(-1)


def cut(whole: Observation, token: slice, keep: Tensor | None = None) -> Observation:
    """Return some tokens of an observation."""
    lifts = tuple((shift[:, token], before[:, token]) for shift, before in whole.lifts)
    return Observation(whole.before[:, token], whole.after[:, token], lifts, keep)


def assert_close(one: Sums, other: Sums) -> None:
    for field in fields(Sums):
        torch.testing.assert_close(getattr(one, field.name), getattr(other, field.name), msg=field.name)


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 3), tokens=st.integers(1, 6))
def test_many_tokens_count_what_they_count_one_by_one(seed: int, rows: int, tokens: int) -> None:
    whole, clamps, audits, read = observation(seed, rows, tokens)
    total = Sums.empty(rows, CPU, 1)
    for token in range(tokens):
        one = slice(token, token + 1)
        total.merge(sums_of(cut(whole, one), clamps, audits, read[:, one]), ...)
    assert_close(total, sums_of(whole, clamps, audits, read))


@given(seed=st.integers(0, 10_000), tokens=st.integers(2, 6), kept=st.integers(1, 5))
def test_a_masked_token_counts_nothing(seed: int, tokens: int, kept: int) -> None:
    whole, clamps, audits, read = observation(seed, 2, tokens)
    keep = (torch.arange(tokens) < kept).expand(2, -1)
    masked = sums_of(cut(whole, slice(None), keep), clamps, audits, read)
    assert_close(masked, sums_of(cut(whole, slice(0, kept)), clamps, audits, read[:, :kept]))


def test_rows_are_merged_where_they_stand_and_extremes_are_kept() -> None:
    total, row = Sums.empty(3, CPU, 1), Sums.empty(1, CPU, 1)
    row.tokens[:], row.lowest_after[:], row.audit_distance[:] = 4, -0.5, 2.0
    total.merge(row, torch.tensor([2]))
    row.lowest_after[:], row.audit_distance[:] = 0.5, 1.0
    total.merge(row, torch.tensor([2]))
    assert total.tokens.tolist() == [0, 0, 8]
    assert total.lowest_after.tolist() == [torch.inf, torch.inf, -0.5]
    assert total.audit_distance.tolist() == [[0], [0], [2]]


def test_selected_rows_are_copies() -> None:
    total = Sums.empty(2, CPU, 1)
    total.tokens[1] = 3
    picked = total.select([1, 1, 0])
    picked.tokens += 1
    assert picked.tokens.tolist() == [4, 4, 1]
    assert total.tokens.tolist() == [0, 3]
    assert len(astuple(picked)) == len(fields(Sums))


def test_means_are_by_token_and_zero_before_the_first() -> None:
    sums = Sums.empty(2, CPU)
    sums.tokens[0], sums.relative_change[0], sums.probe[0] = 4, 1.0, -8.0
    assert (sums.mean_change(0), sums.mean_projection(0)) == (pytest.approx(0.25), pytest.approx(-2.0))
    assert (sums.mean_change(1), sums.mean_projection(1)) == (0.0, 0.0)
