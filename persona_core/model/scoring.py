"""How likely the model finds a reply: teacher-forced log-probabilities, and what a plan changes in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.model.batching import begin
from persona_core.model.decoding import Row, arm_rows
from persona_core.model.padding import batches
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.plan import UNSTEERED, SteeringPlan

_BATCH = 16


def reply_log_probs(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]]
) -> Float[Tensor, "row"]:
    """Return the mean log-probability per token, in nats, of each reply after its prompt, unsteered."""
    return _means(model, prompts, replies, UNSTEERED)


def next_logits(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], plan: SteeringPlan = UNSTEERED
) -> Float[Tensor, "row vocab"]:
    """Return the logits of the token that follows each prompt, steered by a plan; float32, on the CPU."""
    logits: dict[int, Tensor] = {}
    for indices in batches([len(prompt) for prompt in prompts], _BATCH):
        rows = [prompts[index] for index in indices]
        armed = arm_rows(model, [Row(row, plan) for row in rows])
        batch = begin(model, rows, [len(row) - 1 for row in rows], armed=armed)
        logits |= zip(indices, batch.run(model, armed)[:, -1].float().cpu(), strict=True)
    return torch.stack([logits[index] for index in range(len(prompts))])


def plan_cost(
    model: ModelWrapper,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    plan: SteeringPlan,
) -> tuple[float, float]:
    """Return (KL from unsteered to steered in nats a token, share of tokens whose likeliest successor is kept)."""
    return plan_costs(model, prompts, replies, [plan])[0]


def plan_costs(
    model: ModelWrapper,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    plans: Sequence[SteeringPlan],
) -> list[tuple[float, float]]:
    """Return the same for each of several plans; the unsteered side runs once."""
    found: list[list[tuple[Tensor, Tensor]]] = [[] for _ in plans]
    for places in batches([len(prompts[p]) + len(replies[p]) for p in range(len(prompts))], _BATCH):
        chosen = [prompts[p] for p in places], [replies[p] for p in places]
        plain = _logits(model, *chosen, UNSTEERED)
        for costs, plan in zip(found, plans, strict=True):
            both = _rows(plain, chosen[1]), _rows(_logits(model, *chosen, plan), chosen[1])
            costs += [_cost(*pair) for pair in zip(*both, strict=True)]
    return [tuple(float(torch.cat(side).mean()) for side in zip(*costs, strict=True)) for costs in found]  # type: ignore[misc]


def _cost(
    plain: Float[Tensor, "token vocab"], steered: Float[Tensor, "token vocab"]
) -> tuple[Float[Tensor, "token"], Float[Tensor, "token"]]:
    kl = (plain.exp() * (plain - steered)).sum(-1)
    return kl, (plain.argmax(-1) == steered.argmax(-1)).float()


def plan_gain(
    model: ModelWrapper,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    plan: SteeringPlan,
) -> Float[Tensor, "row"]:
    """Return how much likelier a plan makes each reply, in nats per token."""
    return plan_gains(model, prompts, replies, [plan])[0]


def plan_gains(
    model: ModelWrapper,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    plans: Sequence[SteeringPlan],
) -> Float[Tensor, "plan row"]:
    """Return the same for each of several plans; the unsteered side runs once."""
    plain = _means(model, prompts, replies, UNSTEERED)
    return torch.stack([_means(model, prompts, replies, plan) - plain for plan in plans])


def _means(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], plan: SteeringPlan
) -> Float[Tensor, "row"]:
    """Return the mean log-probability per token of each reply after its prompt."""
    means = torch.zeros(len(prompts))
    for places in batches([len(prompts[p]) + len(replies[p]) for p in range(len(prompts))], _BATCH):
        log_probs = _log_probs(model, [prompts[p] for p in places], [replies[p] for p in places], plan)
        for place, found in zip(places, log_probs, strict=True):
            reply = torch.tensor(list(replies[place]), device=model.device)
            means[place] = found.gather(-1, reply[:, None]).mean()
    return means


def _log_probs(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], plan: SteeringPlan
) -> Iterator[Float[Tensor, "token vocab"]]:
    """Yield, for each row, the log-probabilities that predict its reply's tokens."""
    return _rows(_logits(model, prompts, replies, plan), replies)


def _logits(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], plan: SteeringPlan
) -> Float[Tensor, "row token vocab"]:
    """Return the logits of the longest reply's tokens and the one before, for every row."""
    whole = [[*prompt, *reply] for prompt, reply in zip(prompts, replies, strict=True)]
    armed = arm_rows(model, [Row(sequence, plan) for sequence in whole])
    batch = begin(model, whole, [len(prompt) - 1 for prompt in prompts], armed=armed)
    return batch.run(model, armed, max(len(reply) for reply in replies) + 1)


def _rows(
    logits: Float[Tensor, "row token vocab"], replies: Sequence[Sequence[int]]
) -> Iterator[Float[Tensor, "token vocab"]]:
    """Yield each row's log-probabilities in float32; never all rows' at once."""
    for row, reply in zip(logits, replies, strict=True):
        yield torch.log_softmax(row[-len(reply) - 1 : -1].float(), -1)
