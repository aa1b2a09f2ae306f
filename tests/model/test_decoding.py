"""Decoding: tokens are picked by seed within the top-p mass, and each row comes out as it would alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from persona_core import ModelWrapper, SteeringEngine
from persona_core.base.messages import question_messages
from persona_core.errors import SteeringError
from persona_core.model.decoding import Row, Sampling, generate_tokens, pick
from persona_core.steering.plan import UNSTEERED

PROBABILITIES = torch.tensor([[0.2, 0.5, 0.3]])
GREEDY = Sampling(6, 0.0)
QUESTIONS = ("What is fire?", "What makes a good life, and who says so?", "Why?")


@pytest.fixture
def model(tiny_engine: SteeringEngine) -> ModelWrapper:
    """The small model; its replies end at no token."""
    return tiny_engine.model


def streams(*seeds: int) -> list[torch.Generator]:
    """Return random streams."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def drawn(logits: torch.Tensor, sampling: Sampling, n: int) -> list[int]:
    """Return the tokens that `n` seeds pick from one row of logits."""
    return [pick(logits, sampling, streams(seed))[0] for seed in range(n)]


def run(model: ModelWrapper, rows: list[Row], sampling: Sampling) -> list[list[int | None]]:
    """Return every step of the rows' replies."""
    return list(generate_tokens(model, rows, sampling))


def prompt(model: ModelWrapper, question: str) -> list[int]:
    """Return a question's tokens."""
    return model.encode(question_messages(question))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0: use 1 or more"),
        ({"temperature": -0.5}, "temperature -0.5 is out of range"),
        ({"temperature": float("nan")}, "temperature nan is out of range"),
        ({"top_p": 0.0}, "top_p 0 is out of range"),
        ({"top_p": 1.5}, "top_p 1.5 is out of range"),
    ],
)
def test_sampling_that_makes_no_sense_is_an_error(values: dict[str, float], said: str) -> None:
    with pytest.raises(SteeringError, match=said):
        Sampling(**values)  # type: ignore[arg-type]


def test_temperature_zero_takes_the_likeliest_token_of_each_row() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert pick(logits, Sampling(1, 0.0), streams(1, 2)) == [1, 0]


def test_tokens_come_as_often_as_they_are_likely() -> None:
    tokens = drawn(PROBABILITIES.log(), Sampling(1, 1.0, 1.0), 2000)
    shares = [tokens.count(token) / 2000 for token in range(3)]
    assert shares == pytest.approx(PROBABILITIES[0].tolist(), abs=0.04)


def test_top_p_leaves_out_what_lies_beyond_its_mass_and_keeps_the_odds_of_the_rest() -> None:
    tokens = drawn(PROBABILITIES.log(), Sampling(1, 1.0, 0.6), 2000)
    assert tokens.count(0) == 0
    assert tokens.count(1) / 2000 == pytest.approx(0.5 / 0.8, abs=0.04)


def test_a_nucleus_may_be_wider_than_the_tokens_that_are_sorted_first() -> None:
    tokens = set(drawn(torch.zeros(1, 2000), Sampling(1, 1.0, 0.9), 3000))
    assert 1000 < len(tokens) <= 1800


def test_a_low_temperature_prefers_the_likeliest_token() -> None:
    assert set(drawn(PROBABILITIES.log(), Sampling(1, 0.01), 50)) == {1}


@given(st.lists(st.integers(0, 2**32), min_size=2, max_size=5))
def test_a_row_picks_by_its_own_seed_whatever_stands_beside_it(seeds: list[int]) -> None:
    logits = PROBABILITIES.log().expand(len(seeds), -1)
    sampling = Sampling(1, 1.0)
    together = pick(logits, sampling, streams(*seeds))
    assert together == [pick(logits[:1], sampling, streams(seed))[0] for seed in seeds]


def test_rows_of_a_batch_say_what_they_say_alone(model: ModelWrapper, tiny_engine: SteeringEngine) -> None:
    plans = [UNSTEERED, *(tiny_engine.plan(tiny_engine.steering(name)) for name in ("sage", "trickster"))]
    warm = Sampling(8, 1.0, 0.9)
    rows = [Row(prompt(model, text), plan, 7) for text, plan in zip(QUESTIONS, plans, strict=True)]
    alone = [Row(row.prompt, row.plan, row.seed) for row in rows]
    run(model, rows, warm)
    for row, single in zip(rows, alone, strict=True):
        run(model, [single], warm)
        assert row.tokens == single.tokens
        assert (row.finish, len(row.tokens)) == ("length", 8)


def test_a_row_that_ends_gives_none_from_then_on_and_the_others_go_on(
    model: ModelWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row(prompt(model, text), UNSTEERED) for text in QUESTIONS[:2]]
    free = [list(reply) for reply in zip(*run(model, rows, GREEDY), strict=True)]
    last = next(token for token in free[0] if token not in free[1])
    monkeypatch.setitem(vars(model), "end_tokens", frozenset({last}))
    rows = [Row(row.prompt, UNSTEERED) for row in rows]
    steps = run(model, rows, GREEDY)
    n_said = free[0].index(last) + 1
    assert [step[0] for step in steps] == [*free[0][:n_said], *[None] * (6 - n_said)]
    assert [step[1] for step in steps] == free[1]
    assert [row.finish for row in rows] == ["end", "length"]


def test_a_reply_ends_where_the_context_does(model: ModelWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(prompt(model, "Why?"), UNSTEERED)
    monkeypatch.setitem(vars(model), "context_length", len(row.prompt) + 2)
    run(model, [row], GREEDY)
    assert (row.finish, len(row.tokens)) == ("context", 2)


def test_a_loop_that_is_closed_leaves_the_model_as_it_was(model: ModelWrapper, tiny_engine: SteeringEngine) -> None:
    plan = tiny_engine.plan(tiny_engine.steering("sage"))
    whole = Row(prompt(model, "Why?"), plan)
    run(model, [whole], GREEDY)
    cut = Row(whole.prompt, plan)
    steps = generate_tokens(model, [cut], GREEDY)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    again = Row(whole.prompt, plan)
    run(model, [again], GREEDY)
    assert cut.tokens == whole.tokens[:1]
    assert again.tokens == whole.tokens
