"""Dose-response: measures effect and damage as strength rises, and whether both parts of a blend are recognised."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from jaxtyping import Float
from torch import Tensor

from persona_core.base.records import Record
from persona_core.evaluation import statistics
from persona_core.evaluation.answers import ReplyCondition
from persona_core.evaluation.effect import damage
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.statistics import Interval, Scores, bootstrap, both_recognised, centre, mean_interval

STRENGTHS = tuple(round(0.1 * step, 1) for step in range(21))


class DosePoint(Record):
    """One persona at one strength: own-persona gain and damage, in nats per token, and repetition."""

    strength: float
    gain: float
    damage: float
    repetition: float


class DoseResult(Record):
    """The curve of each persona; strength 1.0 is the calibrated dose."""

    questions: int
    default_strength: float
    curves: dict[str, list[DosePoint]]


class BlendResult(Record):
    """How often the two highest scores of a blend's reply are those of its two personas.

    By chance it is one in the number of pairs. `both_centred` and `by_pair` first subtract each judge's mean.
    """

    questions: int
    chance: float
    both: Interval
    both_centred: Interval
    by_pair: dict[str, float]
    damage: Interval


def measure_doses(evaluation: Evaluation) -> DoseResult:
    """Ask a few questions at every strength, with the same seeds at each."""
    few = evaluation.smaller(evaluation.size.dose_questions)
    conditions = [
        ReplyCondition(f"{name} {strength}", few.plan(name, strength))
        for name in few.personas
        for strength in STRENGTHS
    ]
    rows = few.ask(conditions, "replies: strengths")
    scores, damages = few.judged(rows), damage(few, rows, rows[0])
    curves = {}
    for index, name in enumerate(few.personas):
        of_persona = slice(index * len(STRENGTHS), (index + 1) * len(STRENGTHS))
        curves[name] = _curve(rows[of_persona], scores[of_persona, :, index], damages[of_persona])
    default = evaluation.model.config.steering.default_strength
    return DoseResult(questions=len(few.questions), default_strength=default, curves=curves)


def _curve(
    rows: Sequence[Sequence[JudgedReply]],
    scores: Float[Tensor, "strength question"],
    damages: Float[Tensor, "strength question"],
) -> list[DosePoint]:
    start = scores[0].mean()
    return [
        DosePoint(
            strength=strength,
            gain=round(float(scores[index].mean() - start), 4),
            damage=round(float(damages[index].mean()), 4),
            repetition=round(statistics.repetition([reply.tokens for reply in rows[index]]), 4),
        )
        for index, strength in enumerate(STRENGTHS)
    ]


def measure_blends(evaluation: Evaluation) -> BlendResult:
    """Blend every two personas half and half, and see whether both are among the judge's top two."""
    few = evaluation.smaller(evaluation.size.blend_questions)
    pairs = list(combinations(range(len(few.personas)), 2))
    names = list(combinations(few.personas, 2))
    plain = few.unsteered()
    rows = few.ask([ReplyCondition(f"{a}+{b}", few.plan({a: 0.5, b: 0.5})) for a, b in names], "replies: blends")
    scores = few.judged(rows)

    def both(scores: Scores) -> float:
        shares = [both_recognised(row, pair) for row, pair in zip(scores, pairs, strict=True)]
        return sum(shares) / len(shares)

    by_pair = zip(names, centre(scores), pairs, strict=True)
    return BlendResult(
        questions=len(few.questions),
        chance=round(1 / len(pairs), 4),
        both=bootstrap(scores, both, seed=few.seed),
        both_centred=bootstrap(scores, lambda resampled: both(centre(resampled)), seed=few.seed),
        by_pair={f"{a}+{b}": round(both_recognised(row, pair), 4) for (a, b), row, pair in by_pair},
        damage=mean_interval(damage(few, rows, plain), seed=few.seed),
    )
