"""Gradients on the real model: they foretell what a small addition does, and padding and batches change nothing."""

import pytest
import torch

from persona_core.base.messages import question_messages
from persona_core.model.gradient import displacement_gradient, reply_gradient
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import plan_gain
from persona_core.steering.plan import AddDirection, SteeringPlan

TEXTS = {
    "What is fire?": "Fire is the old friend of those who wait.",
    "Why do birds sing?": "Ha! They forgot the words!",
}


@pytest.fixture(scope="module")
def rollouts(model):
    """Two replies of different length."""
    rollouts = []
    for question, text in TEXTS.items():
        prompt = model.encode(question_messages(question, "You are a poet who speaks of old things."))
        reply = model.tokenizer.encode(text, add_special_tokens=False)
        rollouts.append(Rollout(question_messages(question), text, len(prompt), "persona", (*prompt, *reply)))
    return rollouts


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
    gain = float(plan_gain(model, prompts, replies, plan).mean())
    assert gain == pytest.approx(float(step @ gradient[layer]), rel=0.1)


def test_the_gradient_of_a_batch_is_the_mean_of_single_ones(model, rollouts, gradient):
    alone = torch.stack([reply_gradient(model, [rollout]) for rollout in rollouts]).mean(0)
    assert torch.nn.functional.cosine_similarity(alone, gradient, dim=-1)[:-1].min() > 0.9999


def test_a_gradient_leaves_the_model_as_it_was(model, gradient):
    ids, mask = model.pad([model.encode(question_messages("What is fire?"))])
    before = model.forward(ids, mask=mask)
    displacement_gradient(model, [ids[0].tolist()], lambda log_probs, indices: log_probs[:, -1, 0].sum(), 1)
    assert torch.equal(model.forward(ids, mask=mask), before)
    assert not any(parameter.requires_grad for parameter in model._model.parameters())
    assert not any(parameter.grad is not None for parameter in model._model.parameters())
