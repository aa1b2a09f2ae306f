"""Scoring: log-probabilities are the plain model's, in the order asked, and a plan's price is what it changes."""

import plain_hooks
import pytest
import torch

from persona_core import ModelWrapper, SteeringEngine
from persona_core.base.messages import question_messages
from persona_core.model.scoring import next_logits, plan_cost, plan_costs, plan_gain, plan_gains, reply_log_probs
from persona_core.steering.plan import UNSTEERED, SteeringPlan

QUESTIONS = ("What is fire?", "What makes a good life, and who says so, and why do they say it at all?", "Why?")
REPLIES = ("A flame.", "Yes.", "Because the sea was there before us, and will be there after us.")


@pytest.fixture
def model(tiny_engine: SteeringEngine) -> ModelWrapper:
    """The small model."""
    return tiny_engine.model


@pytest.fixture
def prompts(model: ModelWrapper) -> list[list[int]]:
    """Prompts of several lengths."""
    return [model.encode(question_messages(question)) for question in QUESTIONS]


@pytest.fixture
def replies(model: ModelWrapper) -> list[list[int]]:
    """Replies of several lengths."""
    return [model.tokenizer.encode(text) for text in REPLIES]


@pytest.fixture
def plans(tiny_engine: SteeringEngine) -> list[SteeringPlan]:
    """Plans without a floor, two of which change the stream."""
    steered = (tiny_engine.steering("sage", strength, safety=False, guidance=0.0) for strength in (0.5, 2.0))
    return [UNSTEERED, *(tiny_engine.plan(request) for request in steered)]


def log_probs(model: ModelWrapper, prompt: list[int], reply: list[int], plan: SteeringPlan = UNSTEERED) -> torch.Tensor:
    """Return the log-probabilities that predict a reply's tokens, by plain hooks on a row of its own."""
    ids = torch.tensor([[*prompt, *reply]])
    kept = plain_hooks.steered_positions(torch.ones_like(ids, dtype=torch.bool))
    blocks = model._model.get_submodule(model._layers_path)
    handles = [
        blocks[layer].register_forward_hook(
            lambda _, __, output, layer=layer: plain_hooks.steer(output, plan, layer, kept)
        )
        for layer in plan.layers
    ]
    try:
        with torch.inference_mode():
            logits = model._model(ids).logits[0, len(prompt) - 1 : -1]
    finally:
        for handle in handles:
            handle.remove()
    return torch.log_softmax(logits.float(), -1)


def mean(rows: torch.Tensor, reply: list[int]) -> float:
    """Return the mean log-probability of a reply's tokens."""
    return float(rows.gather(-1, torch.tensor(reply)[:, None]).mean())


def test_a_reply_is_as_likely_as_the_plain_model_says(
    model: ModelWrapper, prompts: list[list[int]], replies: list[list[int]]
) -> None:
    expected = [mean(log_probs(model, *pair), pair[1]) for pair in zip(prompts, replies, strict=True)]
    assert reply_log_probs(model, prompts, replies).tolist() == pytest.approx(expected, abs=1e-4)


def test_the_next_tokens_logits_come_in_the_order_of_the_prompts(
    model: ModelWrapper, prompts: list[list[int]], plans: list[SteeringPlan]
) -> None:
    for plan in plans:
        together = next_logits(model, prompts, plan)
        alone = torch.cat([next_logits(model, [prompt], plan) for prompt in prompts])
        assert torch.allclose(together, alone, atol=1e-4)
        expected = log_probs(model, prompts[0], [0], plan)[-1]
        assert torch.allclose(torch.log_softmax(together[0], -1), expected, atol=1e-4)


def test_a_gain_is_what_the_plan_adds_to_the_log_probability(
    model: ModelWrapper, prompts: list[list[int]], replies: list[list[int]], plans: list[SteeringPlan]
) -> None:
    pairs = list(zip(prompts, replies, strict=True))
    plain, steered = (
        [mean(log_probs(model, *pair, plan), pair[1]) for pair in pairs] for plan in (UNSTEERED, plans[2])
    )
    expected = [after - before for before, after in zip(plain, steered, strict=True)]
    gains = plan_gains(model, prompts, replies, plans)
    assert gains[2].tolist() == pytest.approx(expected, abs=1e-4)
    assert gains[2].abs().min() > 1e-3
    assert torch.equal(gains[0], torch.zeros(3))
    assert torch.equal(gains[1], plan_gain(model, prompts, replies, plans[1]))


def test_a_cost_is_the_kl_from_the_plain_model_and_the_share_of_kept_tokens(
    model: ModelWrapper, prompts: list[list[int]], replies: list[list[int]], plans: list[SteeringPlan]
) -> None:
    pairs = list(zip(prompts, replies, strict=True))
    plain = torch.cat([log_probs(model, *pair) for pair in pairs])
    steered = torch.cat([log_probs(model, *pair, plans[2]) for pair in pairs])
    costs = plan_costs(model, prompts, replies, plans)
    kl, kept = costs[2]
    assert kl == pytest.approx(float((plain.exp() * (plain - steered)).sum(-1).mean()), abs=1e-4)
    assert kept == pytest.approx(float((plain.argmax(-1) == steered.argmax(-1)).float().mean()), abs=0.01)
    assert costs[0] == (0.0, 1.0)
    assert costs[1] == plan_cost(model, prompts, replies, plans[1])
    assert 0 < costs[1][0] < kl
