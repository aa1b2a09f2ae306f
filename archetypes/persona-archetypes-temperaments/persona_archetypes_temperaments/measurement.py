"""Measurement: how steering moves a model's agreement with each statement, and so its score on each factor.

Agreement is `log p(agree) - log p(disagree)` of the answers' first tokens, in nats, the mean over the phrasings of a
statement. A factor's score is half of what the agreement with its positive statements has over that with its negative
ones. A model that says yes more often, whatever it is asked, therefore moves no score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from persona_archetypes_temperaments.questionnaire import Factor, Item, Phrasing, items, phrasings, read_factors
from persona_core import (
    UNSTEERED,
    Interval,
    ModelWrapper,
    PersonaManager,
    Progress,
    Record,
    SteeringEngine,
    SteeringPlan,
    describe_machine,
    next_logits,
    question_messages,
    randomised,
    silent,
)
from persona_core.errors import ModelError

_RESAMPLES = 2000
VECTORS, PROMPTS, RANDOM = "persona vectors", "system prompts", "random vectors"
"""The groups, called as `eval` calls them."""


class GroupShift(Record):
    """What one way of making personas does to the factors, in nats.

    own: persona -> how far its own factor moves toward its pole. contrasts: factor -> (factor -> its score under the
    high persona less that under the low one). agreeing: persona -> rise of the agreement with all statements.
    """

    own: dict[str, Interval]
    own_contrasts: dict[str, Interval]
    contrasts: dict[str, dict[str, float]]
    agreeing: dict[str, float]


class IpipResult(Record):
    """The groups, the unsteered scores, and what the figures depend on."""

    model: str
    machine: str
    strength: float
    safety: bool
    seed: int
    statements: int
    unsteered: dict[str, Interval]
    groups: dict[str, GroupShift]


def measure(
    model: ModelWrapper,
    manager: PersonaManager,
    factors: Mapping[str, Factor],
    strength: float | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> IpipResult:
    """Ask about every statement unsteered and under each pole: its vector, a random vector, its system prompts.

    The poles are those of `factors`; the statements are those of all five.
    """
    asked = items(read_factors())
    engine = SteeringEngine(model, manager)
    poles = [name for name, _ in _poles(factors)]
    requests = [engine.steering(name, strength) for name in poles]
    plain = agreement(model, asked)
    conditions = _conditions(manager, poles, [engine.plan(request) for request in requests], seed)
    groups: dict[str, GroupShift] = {}
    for group, pairs in conditions.items():
        progress("questionnaire", len(groups), len(conditions))
        changes = torch.stack([agreement(model, asked, *pair) - plain for pair in pairs])
        groups[group] = group_shift(changes, factors, asked, seed)
    return IpipResult(
        model=model.identity.name,
        machine=describe_machine(str(model.device), str(model.dtype).removeprefix("torch.")),
        strength=requests[0].strength,
        safety=requests[0].holds_floor,
        seed=seed,
        statements=len(asked),
        unsteered={name: score_interval(plain, asked, name, seed) for name in names(asked)},
        groups=groups,
    )


def _conditions(
    manager: PersonaManager, poles: Sequence[str], plans: Sequence[SteeringPlan], seed: int
) -> dict[str, list[tuple[SteeringPlan, str]]]:
    """Return group -> a plan and a system prompt for each pole."""
    return {
        VECTORS: [(plan, "") for plan in plans],
        RANDOM: [(randomised(plan, seed + index), "") for index, plan in enumerate(plans)],
        PROMPTS: [(UNSTEERED, manager.archetype(name).system_prompts[0]) for name in poles],
    }


def agreement(
    model: ModelWrapper, asked: Sequence[Item], plan: SteeringPlan = UNSTEERED, system: str = ""
) -> Float[Tensor, "item"]:
    """Return the agreement with each statement, in nats."""
    columns = []
    for same in zip(*(phrasings(item.statement) for item in asked), strict=True):
        logits = next_logits(
            model, [model.encode(question_messages(phrasing.question, system)) for phrasing in same], plan
        )
        agree, disagree = _first_tokens(model, same[0])
        columns.append(logits[:, agree] - logits[:, disagree])
    return torch.stack(columns).mean(0)


def group_shift(
    changes: Float[Tensor, "pole item"], factors: Mapping[str, Factor], asked: Sequence[Item], seed: int
) -> GroupShift:
    """Return the shifts of the factors for the changes of every pole, in the order of the factors, high before low."""
    by_pole = dict(zip((name for name, _ in _poles(factors)), changes, strict=True))
    between = {name: by_pole[factor.high] - by_pole[factor.low] for name, factor in factors.items()}
    own = {
        pole: score_interval(sign * by_pole[pole], asked, name, seed)
        for name, factor in factors.items()
        for pole, sign in factor.poles
    }
    return GroupShift(
        own=own,
        own_contrasts={name: score_interval(change, asked, name, seed) for name, change in between.items()},
        contrasts={
            name: {other: round(score(change, asked, other), 4) for other in names(asked)}
            for name, change in between.items()
        },
        agreeing={pole: round(float(change.mean()), 4) for pole, change in by_pole.items()},
    )


def names(asked: Sequence[Item]) -> list[str]:
    """Return the factors that statements are of, in their order."""
    return list(dict.fromkeys(item.factor for item in asked))


def score(values: Float[Tensor, "item"], asked: Sequence[Item], factor: str) -> float:
    """Return a factor's score for the agreement with every statement."""
    high, low = _sides(values, asked, factor)
    return float(high.mean() - low.mean()) / 2


def score_interval(values: Float[Tensor, "item"], asked: Sequence[Item], factor: str, seed: int = 0) -> Interval:
    """Return the score with its 95 % bootstrap interval: statements are drawn anew, each side from its own."""
    chance = torch.Generator().manual_seed(seed)
    high, low = (_resampled(side, chance) for side in _sides(values, asked, factor))
    bounds = ((high - low) / 2).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Interval(value=round(score(values, asked, factor), 4), low=round(bounds[0], 4), high=round(bounds[1], 4))


def _poles(factors: Mapping[str, Factor]) -> Iterator[tuple[str, int]]:
    return (pole for factor in factors.values() for pole in factor.poles)


def _first_tokens(model: ModelWrapper, phrasing: Phrasing) -> tuple[int, int]:
    """Return the tokens that the two answers begin with; raise `ModelError` where they are the same."""
    answers = (phrasing.agree, phrasing.disagree)
    agree, disagree = (model.tokenizer.encode(answer, add_special_tokens=False)[0] for answer in answers)
    if agree == disagree:
        raise ModelError(f"{model.identity.name} begins {' and '.join(answers)} with the same token; use another model")
    return agree, disagree


def _sides(
    values: Float[Tensor, "item"], asked: Sequence[Item], factor: str
) -> tuple[Float[Tensor, "high"], Float[Tensor, "low"]]:
    """Return the values of a factor's positive statements and of its negative ones, in float64."""
    keys = torch.tensor([item.key if item.factor == factor else 0 for item in asked])
    return values[keys > 0].double(), values[keys < 0].double()


def _resampled(side: Float[Tensor, "item"], chance: torch.Generator) -> Float[Tensor, "resample"]:
    return side[torch.randint(len(side), (_RESAMPLES, len(side)), generator=chance)].mean(1)
