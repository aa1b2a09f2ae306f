"""Rollouts: replies come in the order asked, by their own seeds, and what the cache holds is not sampled again."""

from pathlib import Path

import pytest
import torch

from persona_core import ModelWrapper, SteeringEngine
from persona_core.base.messages import question_messages
from persona_core.model.decoding import Row, Sampling
from persona_core.model.rollouts import RolloutRequest, reply_cache, roll_out, sample_rows
from persona_core.steering.plan import UNSTEERED, ProbeProjection, SteeringPlan

QUESTIONS = ("What is fire?", "What makes a good life, and who says so?", "Why?")
SAMPLING = Sampling(4, 1.0)


@pytest.fixture
def model(tiny_engine: SteeringEngine) -> ModelWrapper:
    """The small model."""
    return tiny_engine.model


@pytest.fixture
def sage(tiny_engine: SteeringEngine) -> SteeringPlan:
    """A plan that changes the stream."""
    return tiny_engine.plan(tiny_engine.steering("sage"))


def asked(*seeds: int | None) -> list[RolloutRequest]:
    """Return a request for each question."""
    given = seeds or (None,) * len(QUESTIONS)
    conversations = [question_messages(text) for text in QUESTIONS]
    return [RolloutRequest(messages, "default", seed=seed) for messages, seed in zip(conversations, given, strict=True)]


def row(model: ModelWrapper, plan: SteeringPlan = UNSTEERED, seed: int = 0) -> Row:
    """Return a row with the first question."""
    return Row(model.encode(question_messages(QUESTIONS[0])), plan, seed)


def test_rollouts_come_in_the_order_of_the_requests_with_prompt_and_reply(model: ModelWrapper) -> None:
    rollouts = roll_out(model, asked(), SAMPLING, seed=1)
    assert [rollout.messages[-1]["content"] for rollout in rollouts] == list(QUESTIONS)
    for rollout in rollouts:
        assert list(rollout.token_ids[: rollout.response_start]) == model.encode(rollout.messages)
        assert rollout.n_response_tokens == 4
        assert rollout.response == model.decode(rollout.token_ids[rollout.response_start :])


def test_a_reply_is_made_by_the_seed_of_all_and_its_index_or_by_its_own(model: ModelWrapper) -> None:
    plain = roll_out(model, asked(), SAMPLING, seed=1)
    assert roll_out(model, asked(), SAMPLING, seed=1) == plain
    assert roll_out(model, asked(), SAMPLING, seed=2) != plain
    seeded = roll_out(model, asked(*(1_000_003 + index for index in range(3))), SAMPLING, seed=99)
    assert seeded == plain


def test_a_reply_that_ends_at_once_keeps_its_end_token_and_says_nothing(
    model: ModelWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(model), "end_tokens", frozenset(range(len(model.tokenizer))))
    (rollout, *_) = roll_out(model, asked(), SAMPLING, seed=1)
    assert rollout.response == ""
    assert rollout.n_response_tokens == 1


def test_an_end_token_is_no_part_of_a_longer_reply(model: ModelWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    (free, *_) = roll_out(model, asked(), SAMPLING, seed=1)
    last = free.token_ids[-1]
    monkeypatch.setitem(vars(model), "end_tokens", frozenset({last}))
    (ended, *_) = roll_out(model, asked(), SAMPLING, seed=1)
    assert ended.token_ids == free.token_ids[: free.token_ids.index(last, free.response_start)]


def test_an_interrupted_run_samples_only_what_is_missing(model: ModelWrapper, tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"
    whole = roll_out(model, asked(), SAMPLING, seed=1, cache=reply_cache(path))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2])[:-3])  # the second line is cut short
    stages: list[tuple[str, int, int]] = []
    again = roll_out(
        model, asked(), SAMPLING, seed=1, cache=reply_cache(path),
        progress=lambda *stage: stages.append(stage), stage="sage",
    )  # fmt: skip
    assert again == whole
    assert stages[0] == ("sage", 1, 3)
    assert stages[-1] == ("sage", 3, 3)


def test_a_finished_run_runs_no_forward(model: ModelWrapper, tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"
    whole = roll_out(model, asked(), SAMPLING, seed=1, cache=reply_cache(path))
    before = model.n_steps
    assert roll_out(model, asked(), SAMPLING, seed=1, cache=reply_cache(path)) == whole
    assert model.n_steps == before


def test_another_seed_sampling_or_plan_is_another_reply(model: ModelWrapper, sage: SteeringPlan) -> None:
    cache = reply_cache(None)
    for plan, seed, sampling in (
        (UNSTEERED, 0, SAMPLING),
        (UNSTEERED, 1, SAMPLING),
        (UNSTEERED, 0, Sampling(4, 0.9)),
        (sage, 0, SAMPLING),
    ):
        sample_rows(model, [row(model, plan, seed)], sampling, cache)
    assert len(cache.entries) == 4


def test_a_plan_that_only_reads_has_the_reply_of_none(model: ModelWrapper) -> None:
    probe = ProbeProjection(3, torch.ones(model.identity.hidden_size))
    cache = reply_cache(None)
    replies = [
        sample_rows(model, [row(model, plan)], SAMPLING, cache) for plan in (UNSTEERED, SteeringPlan(probes=(probe,)))
    ]
    assert replies[0] == replies[1]
    assert len(cache.entries) == 1
