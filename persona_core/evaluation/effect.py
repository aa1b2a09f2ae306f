"""Effect: measures whether replies sound like the persona that steers them and like no other, beside four controls.

The controls are no steering, random directions of the same length at the same layers, the persona's system prompts,
which the questions take in turn, and the vector under these prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from persona_core.base.records import Record
from persona_core.evaluation import statistics
from persona_core.evaluation.answers import ReplyCondition
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.readability import PLAIN, ReadabilityResult, measure_readability
from persona_core.evaluation.statistics import Interval, Scores, bootstrap, mean_interval
from persona_core.steering.plan import AddDirection, SteeringPlan

VECTORS, PROMPTS, BOTH, RANDOM = "persona vectors", "system prompts", "prompted vectors", "random vectors"


class GroupEffect(Record):
    """The figures of one way of making personas; row `i` of the matrices is what was meant to be persona `i`.

    A gain is the judge's score less that of the unsteered reply. Damage is the rise of the reply's negative
    log-likelihood under the unsteered model without a system prompt, in nats per token.
    """

    matrix: list[list[float]]
    double_centred: list[list[float]]
    specificity: Interval
    identification: Interval
    centred_identification: Interval
    rows_won: int
    columns_won: int
    own_gain: dict[str, Interval]
    damage: dict[str, Interval]
    distinct_pairs: float
    repetition: float


class EffectResult(Record):
    """The figures of every group, and of the unsteered replies that the groups are compared with."""

    personas: list[str]
    questions: int
    unit: str
    groups: dict[str, GroupEffect]
    ahead_of_prompts: dict[str, Interval] = Field(default_factory=dict)
    """statistic -> that of the vectors less that of the system prompts, on the same questions."""
    unsteered_scores: dict[str, float]
    unsteered_distinct_pairs: float
    unsteered_repetition: float
    samples: dict[str, str]
    """condition -> its reply to the first question."""
    readability: ReadabilityResult | None = None
    """None in a report of an earlier version."""


def measure_effect(evaluation: Evaluation) -> EffectResult:
    """Ask every question under every condition, judge the replies, and compare each group with unsteered replies."""
    plain = evaluation.unsteered()
    groups = {group: evaluation.ask(rows, f"replies: {group}") for group, rows in conditions(evaluation).items()}
    unsteered = evaluation.judged([plain])
    scores = {group: evaluation.judged(rows) for group, rows in groups.items()}
    tokens = [reply.tokens for reply in plain]
    return EffectResult(
        personas=list(evaluation.personas),
        questions=len(evaluation.questions),
        unit=evaluation.judge.unit,
        groups={group: _group(evaluation, rows, scores[group], unsteered, plain) for group, rows in groups.items()},
        ahead_of_prompts=_ahead(scores[VECTORS], scores[PROMPTS], evaluation.seed),
        unsteered_scores=_by_persona(evaluation, unsteered[0].mean(0)),
        unsteered_distinct_pairs=_rounded(statistics.distinct_pairs(tokens)),
        unsteered_repetition=_rounded(statistics.repetition(tokens)),
        samples={PLAIN: plain[0].text} | _first_replies(evaluation, groups),
        readability=measure_readability(evaluation, groups, plain),
    )


def conditions(evaluation: Evaluation) -> dict[str, list[ReplyCondition]]:
    """Return group -> its conditions, one a persona in the evaluation's order."""
    plans = {name: evaluation.plan(name) for name in evaluation.personas}
    prompts = {archetype.name: archetype.system_prompts for archetype in evaluation.archetypes}
    return {
        VECTORS: [ReplyCondition(name, plan) for name, plan in plans.items()],
        PROMPTS: [ReplyCondition(f"prompts of {name}", systems=systems) for name, systems in prompts.items()],
        BOTH: [ReplyCondition(f"{name} and its prompts", plan, prompts[name]) for name, plan in plans.items()],
        RANDOM: [
            ReplyCondition(f"random {name}", randomised(plan, evaluation.seed + index))
            for index, (name, plan) in enumerate(plans.items())
        ],
    }


def randomised(plan: SteeringPlan, seed: int) -> SteeringPlan:
    """Return the plan with a random direction of the same length in place of each addition; all else stays."""
    generator = torch.Generator().manual_seed(seed)
    additions = []
    for addition in plan.additions:
        direction = torch.randn(addition.direction.shape, generator=generator)
        additions.append(AddDirection(addition.layer, direction / direction.norm() * addition.direction.norm()))
    return replace(plan, additions=tuple(additions), label=f"random {plan.label}")


def damage(
    evaluation: Evaluation, rows: Sequence[Sequence[JudgedReply]], plain: Sequence[JudgedReply]
) -> Float[Tensor, "row question"]:
    """Return how much less likely each reply is than the unsteered reply to its question, in nats per token."""
    return evaluation.plain_log_probs([plain]) - evaluation.plain_log_probs(rows)


def _group(
    evaluation: Evaluation,
    rows: Sequence[Sequence[JudgedReply]],
    scores: Scores,
    unsteered: Scores,
    plain: Sequence[JudgedReply],
) -> GroupEffect:
    seed = evaluation.seed
    gains = (scores - unsteered).diagonal(dim1=0, dim2=2).T
    means = statistics.matrix(scores)
    tokens = [reply.tokens for row in rows for reply in row]
    return GroupEffect(
        matrix=_table(means),
        double_centred=_table(statistics.double_centre(means)),
        specificity=bootstrap(scores, statistics.specificity, seed=seed),
        identification=bootstrap(scores, statistics.identification, seed=seed),
        centred_identification=bootstrap(scores, statistics.centred_identification, seed=seed),
        rows_won=statistics.rows_won(scores),
        columns_won=statistics.columns_won(scores),
        own_gain=_intervals(evaluation, gains),
        damage=_intervals(evaluation, damage(evaluation, rows, plain)),
        distinct_pairs=_rounded(statistics.distinct_pairs(tokens)),
        repetition=_rounded(statistics.repetition(tokens)),
    )


def _ahead(vectors: Scores, prompts: Scores, seed: int) -> dict[str, Interval]:
    """Return statistic -> that of the vectors less that of the system prompts."""
    compared = (statistics.identification, statistics.centred_identification, statistics.specificity)
    return {statistic.__name__: statistics.difference(vectors, prompts, statistic, seed=seed) for statistic in compared}


def _intervals(evaluation: Evaluation, values: Float[Tensor, "persona question"]) -> dict[str, Interval]:
    rows = zip(evaluation.personas, values, strict=True)
    return {name: mean_interval(row, seed=evaluation.seed) for name, row in rows}


def _first_replies(evaluation: Evaluation, groups: Mapping[str, Sequence[Sequence[JudgedReply]]]) -> dict[str, str]:
    return {
        f"{group}: {name}": row[0].text
        for group, rows in groups.items()
        for name, row in zip(evaluation.personas, rows, strict=True)
    }


def _by_persona(evaluation: Evaluation, values: Float[Tensor, "persona"]) -> dict[str, float]:
    return {name: _rounded(float(value)) for name, value in zip(evaluation.personas, values, strict=True)}


def _table(values: Float[Tensor, "row column"]) -> list[list[float]]:
    return [[_rounded(float(value)) for value in row] for row in values]


def _rounded(value: float) -> float:
    return round(value, 4)
