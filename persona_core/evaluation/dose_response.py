"""Dose-response: effect and damage as strength rises, and whether both parts of a blend are recognised."""

from __future__ import annotations

from itertools import combinations

from persona_core.base.records import Record
from persona_core.evaluation import statistics
from persona_core.evaluation.answers import ReplyCondition
from persona_core.evaluation.effect import damage
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.statistics import Interval, bootstrap

STRENGTHS = tuple(round(0.1 * step, 1) for step in range(21))


class DosePoint(Record):
    """One persona at one strength: own-persona gain and damage, in nats per token, and repetition."""

    strength: float
    gain: float
    damage: float
    repetition: float


class DoseResult(Record):
    """persona -> its curve; strength 1.0 is the calibrated dose."""

    questions: int
    default_strength: float
    curves: dict[str, list[DosePoint]]


class BlendResult(Record):
    """How often the two highest scores of a blend's reply are those of its two parts; chance is 1 in the pairs."""

    questions: int
    chance: float
    both: Interval
    both_centred: Interval
    by_pair: dict[str, float]
    damage: Interval


def measure_doses(evaluation: Evaluation) -> DoseResult:
    """Ask a few questions at every strength; the same seeds at each."""
    few = evaluation.smaller(evaluation.size.dose_questions)
    conditions = [
        ReplyCondition(f"{name} {strength}", few.plan(name, strength))
        for name in few.personas
        for strength in STRENGTHS
    ]
    rows = few.ask(conditions, "replies: strengths")
    scores, cost = few.judged(rows), damage(few, rows, rows[0])
    curves = {}
    for place, name in enumerate(few.personas):
        here = range(place * len(STRENGTHS), (place + 1) * len(STRENGTHS))
        start = scores[here[0], :, place].mean()
        curves[name] = [
            DosePoint(
                strength=strength,
                gain=round(float(scores[row, :, place].mean() - start), 4),
                damage=round(float(cost[row].mean()), 4),
                repetition=round(statistics.repetition([reply.tokens for reply in rows[row]]), 4),
            )
            for row, strength in zip(here, STRENGTHS, strict=True)
        ]
    return DoseResult(
        questions=len(few.questions), default_strength=evaluation.model.config.steering.default_strength, curves=curves
    )


def measure_blends(evaluation: Evaluation) -> BlendResult:
    """Blend every two personas half and half, and see whether both are among the judge's top two."""
    evaluation = evaluation.smaller(evaluation.size.blend_questions)
    pairs = list(combinations(range(len(evaluation.personas)), 2))
    names = [(evaluation.personas[one], evaluation.personas[other]) for one, other in pairs]
    conditions = [ReplyCondition(f"{a}+{b}", evaluation.plan({a: 0.5, b: 0.5})) for a, b in names]
    plain = evaluation.ask([ReplyCondition("unsteered")], "unsteered replies")
    rows = evaluation.ask(conditions, "replies: blends")
    scores = evaluation.judged(rows)

    def both(values: statistics.Scores) -> float:
        found = [statistics.both_recognised(row, pair) for row, pair in zip(values, pairs, strict=True)]
        return sum(found) / len(found)

    def both_centred(values: statistics.Scores) -> float:
        return both(values - values.mean((0, 1), keepdim=True))

    cost = damage(evaluation, rows, plain[0])
    centred = scores - scores.mean((0, 1), keepdim=True)
    return BlendResult(
        questions=len(evaluation.questions),
        chance=round(1 / len(pairs), 4),
        both=bootstrap(scores, both, seed=evaluation.seed),
        both_centred=bootstrap(scores, both_centred, seed=evaluation.seed),
        by_pair={
            f"{a}+{b}": round(statistics.both_recognised(row, pair), 4)
            for (a, b), row, pair in zip(names, centred, pairs, strict=True)
        },
        damage=bootstrap(cost[..., None], lambda part: float(part.mean()), seed=evaluation.seed),
    )
