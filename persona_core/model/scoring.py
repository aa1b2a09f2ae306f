"""Scoring: how likely the model finds a reply (teacher-forced log-probabilities), and what a plan changes in that.

Under a guided plan, log-probabilities count implausible tokens too, so that they stay finite (see `guidance`). A KL
counts the plausible tokens alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.model.decoding import Row, arm_rows, begin_lanes
from persona_core.model.guidance import mixed
from persona_core.model.padding import batches
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.plan import UNSTEERED, SteeringPlan

_BATCH = 16


def reply_log_probs(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]]
) -> Float[Tensor, "row"]:
    """Return the mean log-probability per token, in nats, of each reply after its prompt, unsteered."""
    return _means(model, prompts, replies, UNSTEERED)


def token_log_probs(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]]
) -> list[Float[Tensor, "token"]]:
    """Return the log-probability, in nats, of every token of each reply after its prompt, unsteered, on the CPU."""
    return _tokens(model, prompts, replies, UNSTEERED)


def prediction_log_probs(
    model: ModelWrapper,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    plan: SteeringPlan = UNSTEERED,
) -> Iterator[Float[Tensor, "token vocab"]]:
    """Yield, for each row, the log-probabilities of every token at each place of its reply; all rows are one batch."""
    return _log_probs(model, prompts, replies, plan)


def next_logits(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], plan: SteeringPlan = UNSTEERED
) -> Float[Tensor, "row vocab"]:
    """Return the logits of the token that follows each prompt, steered by a plan, in float32 on the CPU."""
    logits: dict[int, Tensor] = {}
    for indices in batches([len(prompt) for prompt in prompts], _BATCH):
        rows = [Row(prompts[index], plan) for index in indices]
        predicted = _run(model, rows, [len(row.prompt) - 1 for row in rows], 1, plausible_only=False)
        logits |= zip(indices, predicted[:, -1].float().cpu(), strict=True)
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
    """Return the `plan_cost` of each plan; the unsteered side runs once."""
    costs_by_plan: list[list[tuple[Tensor, Tensor]]] = [[] for _ in plans]
    for indices in batches(_lengths(prompts, replies), _BATCH):
        batch = [prompts[index] for index in indices], [replies[index] for index in indices]
        plain = _logits(model, *batch, UNSTEERED)
        for costs, plan in zip(costs_by_plan, plans, strict=True):
            steered = _logits(model, *batch, plan, plausible_only=True)
            sides = _rows(plain, batch[1]), _rows(steered, batch[1])
            costs += [_cost(*pair) for pair in zip(*sides, strict=True)]
    return [tuple(float(torch.cat(cost).mean()) for cost in zip(*costs, strict=True)) for costs in costs_by_plan]  # type: ignore[misc]


def _cost(
    plain: Float[Tensor, "token vocab"], steered: Float[Tensor, "token vocab"]
) -> tuple[Float[Tensor, "token"], Float[Tensor, "token"]]:
    """Return each token's KL from `plain` to `steered`, and 1 where both have the same likeliest successor, else 0.

    The KL leaves out tokens that `steered` never predicts.
    """
    kept = (plain.argmax(-1) == steered.argmax(-1)).float()
    never = steered == -torch.inf
    if bool(never.any()):
        plain, steered = torch.log_softmax(plain.masked_fill(never, -torch.inf), -1), steered.masked_fill(never, 0)
    kl = (plain.exp() * (plain.masked_fill(never, 0) - steered)).sum(-1)
    return kl, kept


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
    """Return the `plan_gain` of each plan; the unsteered side runs once."""
    plain = _means(model, prompts, replies, UNSTEERED)
    return torch.stack([_means(model, prompts, replies, plan) - plain for plan in plans])


def _means(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], plan: SteeringPlan
) -> Float[Tensor, "row"]:
    """Return the mean log-probability per token of each reply after its prompt."""
    return torch.tensor([float(log_probs.mean()) for log_probs in _tokens(model, prompts, replies, plan)])


def _tokens(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], plan: SteeringPlan
) -> list[Float[Tensor, "token"]]:
    """Return the log-probability of every token of each reply after its prompt."""
    tokens: dict[int, Tensor] = {}
    for indices in batches(_lengths(prompts, replies), _BATCH):
        rows = _log_probs(model, [prompts[index] for index in indices], [replies[index] for index in indices], plan)
        for index, log_probs in zip(indices, rows, strict=True):
            reply = torch.tensor(list(replies[index]), device=model.device)
            tokens[index] = log_probs.gather(-1, reply[:, None])[:, 0].cpu()
    return [tokens[index] for index in range(len(prompts))]


def _lengths(prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]]) -> list[int]:
    return [len(prompt) + len(reply) for prompt, reply in zip(prompts, replies, strict=True)]


def _log_probs(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], plan: SteeringPlan
) -> Iterator[Float[Tensor, "token vocab"]]:
    """Yield, for each row, the log-probabilities that predict its reply's tokens."""
    return _rows(_logits(model, prompts, replies, plan), replies)


def _logits(
    model: ModelWrapper,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    plan: SteeringPlan,
    *,
    plausible_only: bool = False,
) -> Float[Tensor, "row token vocab"]:
    """Return the logits at the longest reply's tokens and the token before it, for every row."""
    rows = [Row([*prompt, *reply], plan) for prompt, reply in zip(prompts, replies, strict=True)]
    limits, longest = [len(prompt) - 1 for prompt in prompts], max(len(reply) for reply in replies)
    return _run(model, rows, limits, longest + 1, plausible_only=plausible_only)


def _run(
    model: ModelWrapper, rows: Sequence[Row], limits: Sequence[int], keep_logits: int, *, plausible_only: bool
) -> Float[Tensor, "row token vocab"]:
    """Run every lane of the rows, and return the logits of their last tokens."""
    armed = arm_rows(model, rows)
    logits = begin_lanes(model, rows, limits, armed).run(model, armed, keep_logits)
    return mixed(logits, [row.plan for row in rows], plausible_only=plausible_only)


def _rows(
    logits: Float[Tensor, "row token vocab"], replies: Sequence[Sequence[int]]
) -> Iterator[Float[Tensor, "token vocab"]]:
    """Yield the log-probabilities that predict each row's reply, in float32 and one row at a time to save memory."""
    for row, reply in zip(logits, replies, strict=True):
        yield torch.log_softmax(row[-len(reply) - 1 : -1].float(), -1)
