"""What replies say in numbers: properties of the statistics, with small explicit examples beside."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from persona_core.evaluation import statistics as stats


def scores(vectors: int = 5, questions: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(vectors, questions, vectors, generator=torch.Generator().manual_seed(seed))


def perfect(vectors: int = 5, questions: int = 6) -> torch.Tensor:
    """Each vector's replies sound like its own persona, by exactly 1."""
    return torch.eye(vectors)[:, None, :].expand(vectors, questions, vectors).clone()


@given(st.integers(0, 10_000))
def test_double_centred_rows_and_columns_sum_to_zero_and_stay_when_centred_again(seed):
    once = stats.double_centre(stats.matrix(scores(seed=seed)))
    assert once.sum(0).abs().max() < 1e-4
    assert once.sum(1).abs().max() < 1e-4
    assert torch.allclose(stats.double_centre(once), once, atol=1e-5)


@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(-3, 3))
def test_specificity_does_not_see_what_all_vectors_or_all_personas_have_in_common(seed, vector_part, persona_part):
    plain = scores(seed=seed)
    shifted = plain + vector_part * torch.arange(5.0)[:, None, None] + persona_part * torch.arange(5.0)
    assert stats.specificity(shifted) == pytest.approx(stats.specificity(plain), abs=1e-4)


@given(st.integers(0, 10_000), st.floats(-3, 3))
def test_centring_makes_identification_blind_to_a_persona_that_scores_high_with_everybody(seed, favour):
    plain = scores(seed=seed)
    tilted = plain + favour * torch.arange(5.0)
    assert stats.centred_identification(tilted) == pytest.approx(stats.centred_identification(plain), abs=1e-6)


def test_perfect_replies_are_all_identified_and_swapped_ones_never():
    assert stats.identification(perfect()) == stats.centred_identification(perfect()) == 1
    assert stats.identification(perfect().roll(1, 0)) == 0
    assert stats.rows_won(perfect()) == stats.columns_won(perfect()) == 5
    assert stats.specificity(perfect()) == pytest.approx(0.8)


def test_noise_has_no_specificity_and_is_identified_by_chance():
    noise = scores(questions=2000)
    assert abs(stats.specificity(noise)) < 0.05
    assert stats.identification(noise) == pytest.approx(0.2, abs=0.03)


def test_the_interval_holds_the_value_narrows_with_more_questions_and_repeats_with_its_seed():
    few, many = (stats.bootstrap(scores(questions=n), stats.specificity, seed=1) for n in (8, 200))
    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low
    assert stats.bootstrap(scores(questions=8), stats.specificity, seed=1) == few
    assert stats.bootstrap(scores(questions=8), stats.specificity, seed=2) != few


def test_the_interval_of_a_constant_is_the_constant():
    interval = stats.bootstrap(perfect(), stats.identification)
    assert (interval.low, interval.value, interval.high) == (1, 1, 1)
    assert str(interval) == "1.00 [1.00, 1.00]"


def test_both_parts_of_a_blend_are_recognised_in_any_order():
    replies = torch.tensor([[3.0, 2.0, 0.0], [2.0, 3.0, 0.0], [3.0, 0.0, 2.0]])
    assert stats.both_recognised(replies, (0, 1)) == pytest.approx(2 / 3)
    assert stats.both_recognised(replies, (1, 0)) == pytest.approx(2 / 3)


def test_repetition_and_distinct_pairs_tell_a_loop_from_a_sentence():
    loop, sentence = [1, 2, 3, 4] * 10, list(range(40))
    assert stats.repetition([sentence]) == 0
    assert stats.repetition([loop]) > 0.8
    assert stats.distinct_pairs([sentence]) == 1
    assert stats.distinct_pairs([loop]) < 0.15
    assert stats.repetition([[]]) == 0
    assert stats.distinct_pairs([[1]]) == 0


def test_a_difference_is_of_the_same_questions_and_has_the_sign_of_the_better():
    noisy = perfect() + 0.8 * scores(questions=6)
    assert stats.difference(noisy, noisy, stats.identification) == stats.Interval(value=0, low=0, high=0)
    ahead = stats.difference(perfect(), scores(questions=6), stats.identification)
    assert ahead.low > 0.3
    behind = stats.difference(scores(questions=6), perfect(), stats.identification)
    assert (behind.value, behind.low, behind.high) == (-ahead.value, -ahead.high, -ahead.low)


def test_an_echo_is_the_share_of_runs_of_four_tokens_that_an_earlier_reply_holds():
    assert stats.echo([1, 2, 3, 4, 5], [[9, 1, 2, 3, 4, 9]]) == 0.5
    assert stats.echo([1, 2, 3, 4, 5], [[1, 2, 3], [4, 5]]) == 0
    assert stats.echo([1, 2, 3, 4, 1, 2, 3, 4], []) == 0
    assert stats.echo([1, 2], [[1, 2]]) == 0
