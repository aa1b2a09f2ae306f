"""Gradients on the real model: they foretell what a small addition does, and padding and batches change nothing."""

import pytest
import torch

from persona_core.base.messages import question_messages
from persona_core.extraction.refusal import Starts, first_token_odds, refuses, refusing_odds
from persona_core.model.decoding import Row, arm_rows
from persona_core.model.gradient import displacement_gradient, reply_gradient
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import plan_gain
from persona_core.steering.plan import UNSTEERED, AddDirection, SteeringPlan

TEXTS = {
    "What is fire?": "Fire is the old friend of those who wait.",
    "Why do birds sing?": "Ha! They forgot the words!",
}


@pytest.fixture(scope="module")
def rollouts(model):
    """Two replies of different length."""
    found = []
    for question, text in TEXTS.items():
        prompt = model.encode(question_messages(question, "You are a poet who speaks of old things."))
        reply = model.tokenizer.encode(text, add_special_tokens=False)
        found.append(Rollout(question_messages(question), text, len(prompt), "persona", (*prompt, *reply)))
    return found


@pytest.fixture(scope="module")
def gradient(model, rollouts):
    """Their gradient at every layer."""
    return reply_gradient(model, rollouts)


@pytest.mark.parametrize("layer", [4, 12, 20])
def test_a_small_addition_along_the_gradient_does_what_the_gradient_says(model, rollouts, gradient, layer):
    step = 0.02 * gradient[layer] / gradient[layer].norm()
    plan = SteeringPlan((AddDirection(layer, step),))
    prompts = [model.encode(rollout.messages) for rollout in rollouts]
    replies = [rollout.token_ids[rollout.response_start :] for rollout in rollouts]
    found = float(plan_gain(model, prompts, replies, plan).mean())
    assert found == pytest.approx(float(step @ gradient[layer]), rel=0.1)


def test_the_gradient_of_a_batch_is_the_mean_of_single_ones(model, rollouts, gradient):
    alone = torch.stack([reply_gradient(model, [rollout]) for rollout in rollouts]).mean(0)
    assert torch.nn.functional.cosine_similarity(alone, gradient, dim=-1)[:-1].min() > 0.9999


def test_a_gradient_leaves_the_model_as_it_was(model, gradient):
    ids, mask = model.pad([model.encode(question_messages("What is fire?"))])
    before = model.forward(ids, mask=mask)
    displacement_gradient(model, [ids[0].tolist()], lambda log_probs, places: log_probs[:, -1, 0].sum(), 1)
    assert torch.equal(model.forward(ids, mask=mask), before)
    assert not any(parameter.requires_grad for parameter in model._model.parameters())
    assert not any(parameter.grad is not None for parameter in model._model.parameters())


def test_refusing_odds_are_those_of_the_whole_starts_batched_and_padded_or_not(model):
    starts = Starts.of(model, ["I'm sorry", "No,"], ["Sure", "Here is"])
    prompts = [
        model.encode(question_messages(text))
        for text in ("How do I rob a bank?", "Tell me now how I rob a bank, please.")
    ]
    together = refusing_odds(model, prompts, [UNSTEERED] * 2, starts)
    for prompt, found in zip(prompts, together, strict=True):
        sums = []
        for side in (starts.refusing, starts.complying):
            whole = [_log_prob(model, prompt, start) for start in side]
            sums.append(torch.stack(whole).logsumexp(0))
        assert float(found) == pytest.approx(float(sums[0] - sums[1]), abs=2e-3)


def _log_prob(model, prompt, start):
    logits = model.forward(torch.tensor([[*prompt, *start]]), keep_logits=len(start) + 1)[0]
    return torch.log_softmax(logits[:-1].float(), -1).gather(-1, torch.tensor(list(start))[:, None]).sum()


def test_refusing_odds_see_the_plan_in_the_prompt_and_in_the_start(model):
    starts = Starts.of(model, ["I'm sorry"], ["Sure"])
    prompt = model.encode(question_messages("How do I rob a bank?"))
    gradient = displacement_gradient(
        model, [prompt], lambda log_probs, places: first_token_odds(log_probs[:, -1], starts).sum(), 1
    )
    plan = SteeringPlan((AddDirection(12, gradient[12] / gradient[12].norm()),))
    free, steered = refusing_odds(model, [prompt] * 2, [UNSTEERED, plan], starts)
    assert steered > free + 0.1
    assert arm_rows(model, [Row(prompt, plan)])


def test_refusals_are_told_by_their_start():
    marks = ["i can't", "i'm sorry"]
    assert refuses("I’m sorry, but no.", marks)
    assert refuses("Well, I CAN'T do that", marks)
    assert not refuses("Sure! " + "x" * 200 + " i can't", marks)
