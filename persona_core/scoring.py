"""How likely the model finds a reply: teacher-forced log-probabilities, and what a plan changes in them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.decoding import Row, arm_rows
from persona_core.model_wrapper import ModelWrapper, batches
from persona_core.steering_plan import SteeringPlan

_BATCH = 16


def reply_log_probs(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]]
) -> Float[Tensor, "row"]:
    """Return the mean log-probability per token, in nats, of each reply after its prompt, unsteered."""
    means = torch.zeros(len(prompts))
    for places in batches([len(prompts[p]) + len(replies[p]) for p in range(len(prompts))], _BATCH):
        log_probs = _log_probs(model, [prompts[p] for p in places], [replies[p] for p in places], None)
        for row, place in enumerate(places):
            reply = torch.tensor(list(replies[place]), device=model.device)
            means[place] = log_probs[row].gather(-1, reply[:, None]).mean()
    return means


def plan_cost(
    model: ModelWrapper,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    plan: SteeringPlan,
) -> tuple[float, float]:
    """Return (KL from unsteered to steered in nats a token, share of tokens whose likeliest successor is kept)."""
    kl, same = [], []
    for places in batches([len(prompts[p]) + len(replies[p]) for p in range(len(prompts))], _BATCH):
        chosen = [prompts[p] for p in places], [replies[p] for p in places]
        for plain, steered in zip(_log_probs(model, *chosen, None), _log_probs(model, *chosen, plan), strict=True):
            kl.append((plain.exp() * (plain - steered)).sum(-1))
            same.append(plain.argmax(-1) == steered.argmax(-1))
    return float(torch.cat(kl).mean()), float(torch.cat(same).float().mean())


def plan_gain(
    model: ModelWrapper,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    plan: SteeringPlan,
) -> Float[Tensor, "row"]:
    """Return how much likelier a plan makes each reply, in nats per token."""
    gains = torch.zeros(len(prompts))
    for places in batches([len(prompts[p]) + len(replies[p]) for p in range(len(prompts))], _BATCH):
        chosen = [prompts[p] for p in places], [replies[p] for p in places]
        both = zip(places, _log_probs(model, *chosen, None), _log_probs(model, *chosen, plan), strict=True)
        for place, plain, steered in both:
            reply = torch.tensor(list(replies[place]), device=model.device)
            gains[place] = (steered - plain).gather(-1, reply[:, None]).mean()
    return gains


def _log_probs(
    model: ModelWrapper,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    plan: SteeringPlan | None,
) -> list[Float[Tensor, "token vocab"]]:
    """Return, for each row, the log-probabilities that predict its reply's tokens."""
    whole = [[*prompt, *reply] for prompt, reply in zip(prompts, replies, strict=True)]
    ids, mask = model.pad(whole)
    longest = max(len(reply) for reply in replies)
    armed = {}
    if plan is not None:
        armed = arm_rows(model, [Row(sequence, plan) for sequence in whole])
        keep = mask & (mask.long().cumsum(1) > 1)
        for layer in armed.values():
            layer.keep = keep
    logits = model.forward(ids, mask=mask, armed=armed, keep_logits=longest + 1).float()
    return [torch.log_softmax(logits[row, -len(reply) - 1 : -1], -1) for row, reply in enumerate(replies)]
