"""Statistics: pure functions from judges' scores and replies' tokens to figures with bootstrap intervals.

Scores are `Float[Tensor, "vector question persona"]`: how much the reply of a vector to a question sounds like a
persona rather than like the default assistant. Row `i` of a square set is the vector of persona `i`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from persona_core.base.records import Record

Scores = Float[Tensor, "vector question persona"]
Statistic = Callable[[Scores], float]


class Interval(Record):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def bootstrap(scores: Scores, statistic: Statistic, *, seed: int = 0, resamples: int = 1000) -> Interval:
    """Return a statistic with its 95 % percentile interval over resampled questions.

    It draws questions with replacement, and not replies, because the replies to one question depend on each other.
    """
    generator = torch.Generator().manual_seed(seed)
    n = scores.shape[1]
    resampled = [statistic(scores[:, torch.randint(n, (n,), generator=generator)]) for _ in range(resamples)]
    low, high = torch.tensor(resampled, dtype=torch.float64).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    return Interval(value=round(statistic(scores), 4), low=round(float(low), 4), high=round(float(high), 4))


def mean_interval(values: Float[Tensor, "*row question"], *, seed: int = 0) -> Interval:
    """Return the mean of a figure with its interval; `values` holds one a reply, in one row or one row a condition."""
    return bootstrap(values.reshape(-1, values.shape[-1], 1), lambda scores: float(scores.mean()), seed=seed)


def difference(one: Scores, other: Scores, statistic: Statistic, *, seed: int = 0) -> Interval:
    """Return a statistic of one set less that of another; each resample draws the same questions for both."""
    n = len(one)
    return bootstrap(torch.cat([one, other]), lambda both: statistic(both[:n]) - statistic(both[n:]), seed=seed)


def matrix(scores: Scores) -> Float[Tensor, "vector persona"]:
    """Return the mean score of each vector's replies under each judging persona."""
    return scores.mean(1)


def double_centre(values: Float[Tensor, "vector persona"]) -> Float[Tensor, "vector persona"]:
    """Subtract each row's and each column's mean, and add the mean of all."""
    return values - values.mean(0, keepdim=True) - values.mean(1, keepdim=True) + values.mean()


def specificity(scores: Scores) -> float:
    """Return the mean of the double-centred diagonal: what a vector gains under its own persona alone."""
    return float(double_centre(matrix(scores)).diagonal().mean())


def identification(scores: Scores) -> float:
    """Return the share of replies whose highest score is their own persona's."""
    meant = torch.arange(len(scores))[:, None]
    return float((scores.argmax(-1) == meant).double().mean())


def centred_identification(scores: Scores) -> float:
    """Return the identification of centred scores."""
    return identification(centre(scores))


def centre(scores: Scores) -> Scores:
    """Subtract each judging persona's mean over all replies."""
    return scores - scores.mean((0, 1), keepdim=True)


def rows_won(scores: Scores) -> int:
    """Count the vectors whose own persona has the highest score of their double-centred row."""
    return _won(double_centre(matrix(scores)))


def columns_won(scores: Scores) -> int:
    """Count the personas whose own vector has the highest score of their double-centred column."""
    return _won(double_centre(matrix(scores)).T)


def both_recognised(scores: Float[Tensor, "reply persona"], blended: Sequence[int]) -> float:
    """Return the share of replies whose highest scores are those of all personas of their blend."""
    top = scores.topk(len(blended), dim=-1).indices
    return float((top.sort(-1).values == torch.tensor(sorted(blended))).all(-1).double().mean())


def distinct_pairs(replies: Sequence[Sequence[int]]) -> float:
    """Return distinct-2: different token pairs as a share of all replies' pairs (Li et al., arXiv 1510.03055)."""
    pairs = [pair for reply in replies for pair in pairwise(reply)]
    return len(set(pairs)) / max(len(pairs), 1)


def repetition(replies: Sequence[Sequence[int]], length: int = 4) -> float:
    """Return the mean share of a reply's 4-grams that already stand earlier in the reply."""
    return sum(_repeated(reply, length) for reply in replies) / max(len(replies), 1)


def echo(reply: Sequence[int], earlier: Sequence[Sequence[int]], length: int = 4) -> float:
    """Return the share of a reply's 4-grams that already stand in an earlier reply of the same conversation."""
    said = {gram for tokens in earlier for gram in _grams(tokens, length)}
    grams = _grams(reply, length)
    return sum(gram in said for gram in grams) / max(len(grams), 1)


def _repeated(reply: Sequence[int], length: int) -> float:
    grams = _grams(reply, length)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _grams(tokens: Sequence[int], length: int) -> list[tuple[int, ...]]:
    return [tuple(tokens[start : start + length]) for start in range(len(tokens) - length + 1)]


def _won(rows: Float[Tensor, "row column"]) -> int:
    highest: Int[Tensor, "row"] = rows.argmax(1)
    return int((highest == torch.arange(len(rows))).sum())
