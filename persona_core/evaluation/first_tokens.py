"""First tokens: how unlikely a reply's first token may be, as unsteered replies show it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.messages import question_messages
from persona_core.base.records import Record
from persona_core.model.decoding import Sampling, pick
from persona_core.model.scoring import next_logits
from persona_core.model.wrapper import ModelWrapper

PERCENTILE = 1.0
_SLACK = 0.001
"""In nats: rounding must not blame the very tokens that the percentile is of."""
_SAMPLES = 100
"""First tokens that are sampled to each question: replies are cut after one, so hundreds cost one forward."""


class FirstTokens(Record):
    """The unsteered log-probability, in nats, that one in a hundred first tokens of unsteered replies lies below."""

    log_prob: float
    n: int
    """How many sampled first tokens the percentile is of."""

    def faults(self, first: Float[Tensor, "*row reply"]) -> Float[Tensor, "*row reply"]:
        """Return 1 for each reply whose first token is less likely, else 0; `first` are log-probabilities."""
        return (first < self.log_prob - _SLACK).float()


def first_tokens(model: ModelWrapper, questions: Sequence[str], sampling: Sampling, seed: int) -> FirstTokens:
    """Sample the first tokens of unsteered replies to every question, and return their first percentile."""
    logits = next_logits(model, [model.encode(question_messages(question)) for question in questions])
    log_probs = torch.cat([_sampled(row, sampling, seed * 1_000_003 + index) for index, row in enumerate(logits)])
    return FirstTokens(log_prob=round(float(log_probs.quantile(PERCENTILE / 100)), 4), n=len(log_probs))


def _sampled(logits: Float[Tensor, "vocab"], sampling: Sampling, seed: int) -> Float[Tensor, "sample"]:
    """Return the log-probabilities of first tokens that are sampled as replies are."""
    stream = torch.Generator().manual_seed(seed)
    tokens = pick(logits.expand(_SAMPLES, -1), sampling, [stream] * _SAMPLES)
    return torch.log_softmax(logits, -1)[tokens]
