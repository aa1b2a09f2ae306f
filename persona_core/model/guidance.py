"""Guidance: samples between a steered row and its companion, the same tokens read without the persona.

With `a` and `b` the log-probabilities of the companion and of the steered row, tokens are sampled from `a + g (b - a)`
(classifier-free guidance, arXiv 2306.17806) among those that are plausible without the persona: `p_a >= 0.1 max p_a`
(contrastive decoding, arXiv 2210.15097). The persona then chooses among words that fit, and brings in none that do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.steering.plan import SteeringPlan

PLAUSIBLE = 0.1
"""The least probability of a sampled token in the companion, as a share of that of its likeliest token."""


def mixed(
    logits: Float[Tensor, "lanes *rest vocab"], plans: Sequence[SteeringPlan], *, plausible_only: bool = True
) -> Float[Tensor, "plans *rest vocab"]:
    """Return the logits of each plan's reply, from the logits of its lanes.

    Where no plan is guided, they are returned as they are. Without `plausible_only` implausible tokens keep a
    probability, so that likelihoods of given replies stay finite.
    """
    if all(plan.n_lanes == 1 for plan in plans):
        return logits
    lanes, rows = iter(logits), []
    for plan in plans:
        row = next(lanes).float()
        if plan.n_lanes == 2:
            row = _guided(row, next(lanes).float(), plan.guidance, plausible_only)
        rows.append(row)
    return torch.stack(rows)


def _guided(companion: Tensor, steered: Tensor, guidance: float, plausible_only: bool) -> Tensor:
    before, after = companion.log_softmax(-1), steered.log_softmax(-1)
    beyond = before + guidance * (after - before)
    if not plausible_only:
        return beyond
    return beyond.masked_fill(before < before.amax(-1, keepdim=True) + math.log(PLAUSIBLE), -torch.inf)
