"""Topic: how much of a reply is about its question, as a share of what unsteered replies have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.statistics import Interval, bootstrap


def to_other_questions(row: Sequence[JudgedReply]) -> list[JudgedReply]:
    """Return a row of replies, each as if the next question of the row had been asked; the last takes the first."""
    questions = [reply.question for reply in row]
    return [replace(reply, question=other) for reply, other in zip(row, [*questions[1:], *questions[:1]], strict=True)]


def topic_share(
    gaps: Float[Tensor, "row question"], plain_gaps: Float[Tensor, "row question"], *, seed: int = 0
) -> Interval | None:
    """Return how much of a group's replies is about their questions, over the same of unsteered replies.

    A gap is `log p(reply | its question) - log p(reply | another question)` a token, unsteered. None where unsteered
    replies are no likelier after their own question: such a model has no topic.
    """
    if plain_gaps.mean() <= 0:
        return None
    n = len(gaps)
    both = torch.cat([gaps, plain_gaps])[..., None]
    return bootstrap(both, lambda rows: float(rows[:n].mean() / rows[n:].mean()), seed=seed)
