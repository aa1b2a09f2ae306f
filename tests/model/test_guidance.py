"""Guidance: a guided row samples past its companion, among the tokens that are plausible without the persona."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from persona_core import ModelWrapper, SteeringEngine
from persona_core.base.messages import question_messages
from persona_core.engine.receipt import FloorReceipt, steering_fields
from persona_core.model.decoding import Row, Sampling, arm_rows, generate_tokens, lanes_of, pick
from persona_core.model.guidance import PLAUSIBLE, mixed
from persona_core.model.scoring import plan_cost
from persona_core.steering.plan import UNSTEERED, AddDirection, SteeringPlan

GREEDY, WARM = Sampling(6, 0.0), Sampling(8, 1.0, 0.9)
GUIDED = SteeringPlan((AddDirection(0, torch.ones(4)),), guidance=3.0)


@pytest.fixture
def model(tiny_engine: SteeringEngine) -> ModelWrapper:
    """The small model; its replies end at no token."""
    return tiny_engine.model


@pytest.fixture
def plan(tiny_engine: SteeringEngine) -> SteeringPlan:
    """A persona with its floor, guided, of a size that shows."""
    plan = tiny_engine.plan(tiny_engine.steering("sage", guidance=3.0))
    return replace(plan, additions=tuple(AddDirection(one.layer, 40 * one.direction) for one in plan.additions))


def reply(model: ModelWrapper, plan: SteeringPlan, sampling: Sampling = GREEDY) -> list[int]:
    """Return the reply's tokens to one question."""
    row = Row(model.encode(question_messages("What is fire?")), plan, 5)
    for _ in generate_tokens(model, [row], sampling):
        pass
    return row.tokens


def by_hand(model: ModelWrapper, plan: SteeringPlan, sampling: Sampling) -> list[int]:
    """Return the reply of a guided plan, each lane run whole for every token."""
    chance = torch.Generator().manual_seed(5)
    tokens = model.encode(question_messages("What is fire?"))
    start = len(tokens)
    for _ in range(sampling.max_new_tokens):
        companion, steered = (
            torch.log_softmax(last_logits(model, tokens, lane), -1) for lane in (replace(plan, additions=()), plan)
        )
        beyond = companion + plan.guidance * (steered - companion)
        beyond[companion.exp() < PLAUSIBLE * companion.exp().max()] = -torch.inf
        tokens = [*tokens, *pick(beyond[None], sampling, [chance])]
    return tokens[start:]


def last_logits(model: ModelWrapper, tokens: list[int], plan: SteeringPlan) -> torch.Tensor:
    """Return the logits of one row, steered in one lane."""
    ids, mask = model.pad([tokens])
    armed = arm_rows(model, [Row(tokens, replace(plan, guidance=0.0))])
    for layer in armed.values():
        layer.keep = mask & (mask.long().cumsum(1) > 1)
    return model.forward(ids, mask=mask, armed=armed)[0, -1].float()


@given(st.lists(st.floats(-8, 8, width=32), min_size=10, max_size=10))
def test_no_implausible_token_is_left(values: list[float]) -> None:
    logits = torch.tensor(values).view(2, 5)
    companion = torch.softmax(logits[0], -1)
    kept = mixed(logits, [GUIDED])[0] > -torch.inf
    assert torch.equal(kept, companion.log() >= companion.log().max() + torch.tensor(PLAUSIBLE).log())
    assert bool(torch.isfinite(mixed(logits, [GUIDED], plausible_only=False)).all())


def test_at_guidance_one_plausible_tokens_keep_the_odds_of_the_steered_row() -> None:
    logits = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 2.0]])
    both = mixed(logits, [replace(GUIDED, guidance=1.0)])[0]
    assert both.diff() == pytest.approx(logits[1].diff())


def test_logits_of_rows_that_are_not_guided_are_the_same_object() -> None:
    logits = torch.randn(2, 5)
    assert mixed(logits, [UNSTEERED, replace(GUIDED, guidance=0.0)]) is logits


def test_a_plan_that_adds_nothing_has_one_lane() -> None:
    assert SteeringPlan(guidance=3.0).lanes == (SteeringPlan(guidance=3.0),)
    assert lanes_of([Row([1], GUIDED), Row([1], UNSTEERED), Row([1], GUIDED)]) == [range(2), range(2, 3), range(3, 5)]


def test_the_companion_holds_the_floor_and_adds_nothing(plan: SteeringPlan) -> None:
    companion, steered = plan.lanes
    assert steered is plan
    assert (companion.additions, companion.clamps) == ((), plan.clamps)
    assert plan.clamps


def test_a_guided_reply_is_what_both_lanes_say_token_by_token(model: ModelWrapper, plan: SteeringPlan) -> None:
    guided = reply(model, plan, WARM)
    assert guided == by_hand(model, plan, WARM)
    assert guided != reply(model, replace(plan, guidance=0.0), WARM)


def test_guided_rows_of_a_batch_say_what_they_say_alone(model: ModelWrapper, plan: SteeringPlan) -> None:
    prompt = model.encode(question_messages("What is fire?"))
    plans = [plan, UNSTEERED, replace(plan, guidance=0.0), replace(plan, guidance=5.0)]
    rows = [Row(prompt, row_plan, 5) for row_plan in plans]
    for _ in generate_tokens(model, rows, WARM):
        pass
    assert [row.tokens for row in rows] == [reply(model, row_plan, WARM) for row_plan in plans]


def test_a_chat_that_goes_on_in_its_cache_says_what_a_new_one_says(tiny_engine: SteeringEngine) -> None:
    first = {"role": "user", "content": "What is fire?"}
    said = tiny_engine.stream([first], "sage", guidance=3.0, sampling=GREEDY)
    list(said)
    second = [first, {"role": "assistant", "content": said.reply.text}, {"role": "user", "content": "And water?"}]
    on = tiny_engine.stream(second, "sage", guidance=3.0, sampling=GREEDY)
    list(on)
    anew = SteeringEngine(tiny_engine.model, tiny_engine.manager).stream(second, "sage", guidance=3.0, sampling=GREEDY)
    list(anew)
    assert on.reply.receipt.reused_tokens > 0
    assert on.row.tokens == anew.row.tokens


def test_a_guided_plan_that_hardly_steers_keeps_the_likeliest_token(model: ModelWrapper, plan: SteeringPlan) -> None:
    weak = tuple(AddDirection(one.layer, 1e-4 * one.direction) for one in plan.additions)
    _, kept = plan_cost(
        model, [model.encode(question_messages("What is fire?"))], [[20, 21, 22]], SteeringPlan(weak, guidance=3.0)
    )
    assert kept > 0.5


def test_the_receipt_says_that_the_reply_was_guided(tiny_engine: SteeringEngine) -> None:
    guided, direct = (
        tiny_engine.generate(["What is fire?"], "sage", guidance=guidance, sampling=GREEDY)[0].receipt
        for guidance in (3.0, 0.0)
    )
    assert (guided.guidance, direct.guidance) == (3.0, 0.0)
    assert "guidance 3" in guided.line()
    assert guided.steered_tokens == direct.steered_tokens > 0


def test_the_floor_of_the_receipt_counts_both_lanes(model: ModelWrapper, plan: SteeringPlan) -> None:
    high = replace(plan, clamps=tuple(replace(clamp, low=clamp.low + 4) for clamp in plan.clamps))
    row = Row(model.encode(question_messages("What is fire?")), high, 5)
    armed = arm_rows(model, [row])
    for _ in generate_tokens(model, [row], GREEDY, armed=armed):
        pass
    companion, steered = (floor_of(steering_fields(lane, armed, index)) for index, lane in enumerate(high.lanes))
    both = floor_of(steering_fields(high, armed, 1, 0))
    assert both.hits == companion.hits + steered.hits
    assert companion.hits > 0
    assert both.lowest_before == min(companion.lowest_before, steered.lowest_before)
    assert both.lowest_after >= 0


def floor_of(fields: dict[str, object]) -> FloorReceipt:
    """Return what the floor did."""
    floor = fields["floor"]
    assert isinstance(floor, FloorReceipt)
    return floor
