"""Effect: do replies sound like the persona that steers them, and like no other, beside three controls in one run?

Controls: no steering, a random direction of the same length at the same layers, and the persona's
system prompts, which the questions take in turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from persona_core.base.records import Record
from persona_core.evaluation import statistics
from persona_core.evaluation.answers import ReplyCondition
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.judges import JudgedReply, plain_log_probs
from persona_core.evaluation.statistics import Interval, Scores, bootstrap
from persona_core.steering.plan import AddDirection, SteeringPlan

VECTORS, PROMPTS, RANDOM = "persona vectors", "system prompts", "random vectors"


class GroupEffect(Record):
    """One way of making personas: row `i` of the matrices is what was meant to be persona `i`.

    Scores are the judge's, gains are scores less those of unsteered replies, damage is the rise of the reply's
    negative log-likelihood under the unsteered model without a system prompt, in nats per token.
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
    """The groups, and the unsteered replies that they are compared with."""

    personas: list[str]
    questions: int
    unit: str
    groups: dict[str, GroupEffect]
    ahead_of_prompts: dict[str, Interval] = Field(default_factory=dict)
    """figure -> that of the vectors less that of the system prompts, on the same questions."""
    unsteered_scores: dict[str, float]
    unsteered_distinct_pairs: float
    unsteered_repetition: float
    samples: dict[str, str]
    """condition -> its reply to the first question."""


def measure_effect(evaluation: Evaluation) -> EffectResult:
    """Ask every question under every condition, and judge the replies."""
    plain = evaluation.ask([ReplyCondition("unsteered")], "unsteered replies")
    groups = {group: evaluation.ask(rows, f"replies: {group}") for group, rows in conditions(evaluation).items()}
    unsteered = evaluation.judged(plain)
    scores = {group: evaluation.judged(rows) for group, rows in groups.items()}
    results = {group: _group(evaluation, rows, scores[group], unsteered, plain[0]) for group, rows in groups.items()}
    first = {f"{group}: {n}": row[0].text for group, rows in groups.items() for n, row in _named(evaluation, rows)}
    return EffectResult(
        personas=list(evaluation.personas),
        questions=len(evaluation.questions),
        unit=evaluation.judge.unit,
        groups=results,
        ahead_of_prompts=_ahead(scores[VECTORS], scores[PROMPTS], evaluation.seed),
        unsteered_scores=_by_persona(evaluation, unsteered[0].mean(0)),
        unsteered_distinct_pairs=_rounded(statistics.distinct_pairs([reply.tokens for reply in plain[0]])),
        unsteered_repetition=_rounded(statistics.repetition([reply.tokens for reply in plain[0]])),
        samples={"unsteered": plain[0][0].text, **first},
    )


def conditions(evaluation: Evaluation) -> dict[str, list[ReplyCondition]]:
    """Return the groups of conditions, each one a persona in order."""
    plans = {name: evaluation.plan(name) for name in evaluation.personas}
    return {
        VECTORS: [ReplyCondition(name, plan) for name, plan in plans.items()],
        PROMPTS: [
            ReplyCondition(f"prompts of {item.name}", systems=item.system_prompts) for item in evaluation.archetypes
        ],
        RANDOM: [
            ReplyCondition(f"random {name}", randomised(plan, evaluation.seed + place))
            for place, (name, plan) in enumerate(plans.items())
        ],
    }


def randomised(plan: SteeringPlan, seed: int) -> SteeringPlan:
    """Return the plan with each addition turned into a random direction of the same length."""
    chance = torch.Generator().manual_seed(seed)
    additions = []
    for item in plan.additions:
        turned = torch.randn(item.direction.shape, generator=chance)
        additions.append(AddDirection(item.layer, turned / turned.norm() * item.direction.norm()))
    return SteeringPlan(tuple(additions), plan.clamps, plan.probes, f"random {plan.label}")


def damage(
    evaluation: Evaluation, rows: Sequence[Sequence[JudgedReply]], plain: Sequence[JudgedReply]
) -> Float[Tensor, "row question"]:
    """Return how much less likely than the unsteered reply each reply is, in nats per token."""
    flat = [reply for row in rows for reply in row]
    losses = -plain_log_probs(evaluation.model, flat).view(len(rows), -1)
    return losses + plain_log_probs(evaluation.model, plain)[None]


def _group(
    evaluation: Evaluation,
    rows: Sequence[Sequence[JudgedReply]],
    scores: Scores,
    unsteered: Scores,
    plain: Sequence[JudgedReply],
) -> GroupEffect:
    cost = damage(evaluation, rows, plain)
    gains = scores - unsteered
    tokens = [reply.tokens for row in rows for reply in row]
    means = statistics.matrix(scores)

    def shown(statistic: statistics.Statistic) -> Interval:
        return bootstrap(scores, statistic, seed=evaluation.seed)

    return GroupEffect(
        matrix=_table(means),
        double_centred=_table(statistics.double_centre(means)),
        specificity=shown(statistics.specificity),
        identification=shown(statistics.identification),
        centred_identification=shown(statistics.centred_identification),
        rows_won=statistics.rows_won(scores),
        columns_won=statistics.columns_won(scores),
        own_gain={name: _mean(evaluation, gains[place, :, place]) for place, name in enumerate(evaluation.personas)},
        damage={name: _mean(evaluation, cost[place]) for place, name in enumerate(evaluation.personas)},
        distinct_pairs=_rounded(statistics.distinct_pairs(tokens)),
        repetition=_rounded(statistics.repetition(tokens)),
    )


def _ahead(vectors: Scores, prompts: Scores, seed: int) -> dict[str, Interval]:
    """Return what the vectors have over the system prompts; each resample draws the same questions for both."""
    compared = (statistics.identification, statistics.centred_identification, statistics.specificity)
    return {what.__name__: statistics.difference(vectors, prompts, what, seed=seed) for what in compared}


def _mean(evaluation: Evaluation, values: Float[Tensor, "question"]) -> Interval:
    return bootstrap(values[None, :, None], lambda rows: float(rows.mean()), seed=evaluation.seed)


def _named(evaluation: Evaluation, rows: Sequence[Sequence[JudgedReply]]) -> list[tuple[str, Sequence[JudgedReply]]]:
    return list(zip(evaluation.personas, rows, strict=True))


def _by_persona(evaluation: Evaluation, values: Float[Tensor, "persona"]) -> dict[str, float]:
    return {name: _rounded(float(value)) for name, value in zip(evaluation.personas, values, strict=True)}


def _table(values: Float[Tensor, "row column"]) -> list[list[float]]:
    return [[_rounded(float(value)) for value in row] for row in values]


def _rounded(value: float) -> float:
    return round(value, 4)
