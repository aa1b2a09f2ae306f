"""Coherence: how likely a reply is as what it can at best be, the assistant's or the own persona's."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def coherence(plain: Float[Tensor, "*row reply"], own_odds: Float[Tensor, "*row reply"]) -> Float[Tensor, "*row reply"]:
    """Return each reply's negative log-likelihood per token, in nats, in the likelier of two contexts; low is good.

    `plain` is the log-likelihood without a system prompt, and `own_odds` how much likelier the reply is under its own
    persona's judge prompts. Damage alone blames a reply for being in character; this does not.
    """
    return -torch.maximum(plain, plain + own_odds)
