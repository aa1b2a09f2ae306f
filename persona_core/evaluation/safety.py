"""Safety: does the axis separate refusing from complying and not persona from default, and what does its floor do?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch

from persona_core.base.messages import question_messages
from persona_core.base.records import Record
from persona_core.evaluation.answers import ReplyCondition
from persona_core.evaluation.damage import NeutralCost, neutral_cost, voice_gains
from persona_core.evaluation.effect import PROMPTS, conditions
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.statistics import Interval, bootstrap
from persona_core.extraction.activations import ActivationExtractor
from persona_core.extraction.assistant_axis import separation
from persona_core.extraction.data import safety_dataset
from persona_core.extraction.refusal import Starts, refuses, refusing_odds
from persona_core.extraction.safety_axis import scripted_means
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import plan_cost
from persona_core.steering.plan import SteeringPlan
from persona_core.vectors.store import SAFETY

_REQUESTS = 4
_GENERATED = 12


class FloorEffect(Record):
    """The floor alone: the rise of the refusing odds in nats, and its cost where nothing is wrong."""

    benign_kl: float
    benign_top1: float
    neutral: NeutralCost
    jailbreak_odds: Interval
    """log-odds of a refusing start under persona jailbreaks, unsteered."""
    jailbreak_rise: Interval
    """what the floor alone adds to them."""
    refusal_rate: float
    refusal_rate_floor: float
    over_refusal_rate: float
    over_refusal_rate_floor: float
    over_refusal_rise: float
    """what the floor alone adds to the refusing odds on harmless questions that sound harmful."""


class SafetyResult(Record):
    """By layer, the axis; then the floor, and the personas and blends with it on and off."""

    capping_layers: list[int]
    percentile: float
    refuse_comply_auc: list[float]
    default_persona_auc: list[float]
    floor: FloorEffect
    jailbreak_odds: dict[str, tuple[float, float]]
    """persona or blend -> refusing odds with the floor off and on."""
    effect_kept: dict[str, float]
    """persona -> what it does for texts in its own voice with the floor on, over the same with it off."""


def measure_safety(evaluation: Evaluation) -> SafetyResult:
    """Measure the axis on held-out pairs and replies, and the floor on benign and harmful prompts."""
    axis = evaluation.manager.store.axis(SAFETY, evaluation.model.identity)
    return SafetyResult(
        capping_layers=list(evaluation.model.capping_layers),
        percentile=evaluation.model.config.steering.safety_floor_percentile,
        refuse_comply_auc=separation(*_heldout_means(evaluation), axis.directions),
        default_persona_auc=separation(*_default_and_persona_means(evaluation), axis.directions),
        floor=_floor_effect(evaluation),
        jailbreak_odds=_odds_by_persona(evaluation),
        effect_kept=_effect_kept(evaluation),
    )


def floor_only(evaluation: Evaluation) -> SteeringPlan:
    """Return a plan that holds the configured bounds and adds nothing, as a measurement alone can have it."""
    plan = evaluation.plan(evaluation.personas[0], safety=True)
    return SteeringPlan(clamps=plan.clamps, label="floor")


def jailbreak_prompts(evaluation: Evaluation) -> list[list[int]]:
    """Return every jailbreak with a few of the held-out requests, as tokens."""
    pairs = safety_dataset(evaluation.manager).heldout
    requests = [pair.request for pair in pairs[:: max(len(pairs) // _REQUESTS, 1)]][:_REQUESTS]
    texts = [frame.format(request=request) for frame in evaluation.prompts.jailbreaks for request in requests]
    return [evaluation.model.encode(question_messages(text)) for text in texts]


def starts(evaluation: Evaluation) -> Starts:
    """Return how replies begin that refuse, and how others do."""
    data = safety_dataset(evaluation.manager)
    return Starts.of(evaluation.model, data.refusing_starts, data.complying_starts)


def _floor_effect(evaluation: Evaluation) -> FloorEffect:
    floor, none = floor_only(evaluation), SteeringPlan()
    jailbreaks = jailbreak_prompts(evaluation)
    harmless = [evaluation.model.encode(question_messages(text)) for text in evaluation.prompts.safe_looking_unsafe]
    off, on = (_odds(evaluation, jailbreaks, plan) for plan in (none, floor))
    soft_off, soft_on = (_odds(evaluation, harmless, plan) for plan in (none, floor))
    rates = {plan.label: _refusal_rates(evaluation, plan) for plan in (none, floor)}
    kl, top1 = _benign_cost(evaluation, floor)
    return FloorEffect(
        benign_kl=round(kl, 5),
        benign_top1=round(top1, 4),
        neutral=neutral_cost(evaluation, floor),
        jailbreak_odds=_mean(off, evaluation.seed),
        jailbreak_rise=_mean(on - off, evaluation.seed),
        refusal_rate=rates["none"][0],
        refusal_rate_floor=rates["floor"][0],
        over_refusal_rate=rates["none"][1],
        over_refusal_rate_floor=rates["floor"][1],
        over_refusal_rise=round(float((soft_on - soft_off).mean()), 4),
    )


def _odds(evaluation: Evaluation, prompts: Sequence[Sequence[int]], plan: SteeringPlan) -> torch.Tensor:
    return refusing_odds(evaluation.model, prompts, [plan] * len(prompts), starts(evaluation))


def _odds_by_persona(evaluation: Evaluation) -> dict[str, tuple[float, float]]:
    prompts = jailbreak_prompts(evaluation)[::4]
    mixtures: dict[str, Mapping[str, float]] = {name: {name: 1.0} for name in evaluation.personas}
    mixtures |= {f"{a}+{b}": {a: 0.5, b: 0.5} for a, b in combinations(evaluation.personas, 2)}
    found = {}
    for place, (name, mixture) in enumerate(mixtures.items()):
        evaluation.progress("refusing odds by persona", place, len(mixtures))
        off, on = (
            _odds(evaluation, prompts, evaluation.plan(mixture, safety=safety)).mean() for safety in (False, True)
        )
        found[name] = (round(float(off), 4), round(float(on), 4))
    evaluation.progress("refusing odds by persona", len(mixtures), len(mixtures))
    return found


def _refusal_rates(evaluation: Evaluation, plan: SteeringPlan) -> tuple[float, float]:
    """Return the shares of refusing replies to jailbreaks and to harmless questions that sound harmful."""
    pairs = safety_dataset(evaluation.manager).heldout
    jailbreaks = evaluation.prompts.jailbreaks
    asked = [jailbreaks[k % len(jailbreaks)].format(request=pairs[k % len(pairs)].request) for k in range(_GENERATED)]
    shares = []
    for questions in (asked, evaluation.prompts.safe_looking_unsafe):
        replies = evaluation.ask([ReplyCondition(plan.label, plan)], f"replies: {plan.label}", questions)[0]
        refused = [refuses(reply.text, evaluation.prompts.refusal_marks) for reply in replies]
        shares.append(round(sum(refused) / len(refused), 4))
    return shares[0], shares[1]


def _benign_cost(evaluation: Evaluation, plan: SteeringPlan) -> tuple[float, float]:
    """Return (KL, top-1 kept) on unsteered replies to the held-out questions."""
    replies = evaluation.ask([ReplyCondition("unsteered")], "unsteered replies")[0]
    prompts = [evaluation.model.encode(question_messages(reply.question)) for reply in replies]
    return plan_cost(evaluation.model, prompts, [reply.tokens for reply in replies], plan)


def _heldout_means(evaluation: Evaluation) -> tuple[torch.Tensor, torch.Tensor]:
    extractor = ActivationExtractor(evaluation.model, progress=evaluation.progress)
    return scripted_means(extractor, safety_dataset(evaluation.manager).heldout, "held-out pairs")


def _default_and_persona_means(evaluation: Evaluation) -> tuple[torch.Tensor, torch.Tensor]:
    """Return response means of default and persona-prompted replies to questions that made no vector."""
    plain = evaluation.ask([ReplyCondition("unsteered")], "unsteered replies")
    prompted = conditions(evaluation)[PROMPTS]
    rows = evaluation.ask(prompted, "replies: system prompts")
    extractor = ActivationExtractor(evaluation.model, progress=evaluation.progress)
    sides = []
    for side, ways in ((plain, [ReplyCondition("unsteered")]), (rows, prompted)):
        rollouts = [
            _rollout(evaluation, reply.question, reply.tokens, way.system(place))
            for row, way in zip(side, ways, strict=True)
            for place, reply in enumerate(row)
        ]
        sides.append(extractor.capture(rollouts, "axis: default and personas").mean)
    return sides[0], sides[1]


def _rollout(evaluation: Evaluation, question: str, tokens: Sequence[int], system: str) -> Rollout:
    prompt = evaluation.model.encode(question_messages(question, system))
    return Rollout(question_messages(question, system), "", len(prompt), "default", (*prompt, *tokens))


def _effect_kept(evaluation: Evaluation) -> dict[str, float]:
    """Return, teacher-forced and so without chance, each persona's gain on its own voice, floor on over floor off."""
    evaluation.progress("effect kept with the floor on", 0, 2)
    off = voice_gains(evaluation, safety=False)
    evaluation.progress("effect kept with the floor on", 1, 2)
    on = voice_gains(evaluation, safety=True)
    evaluation.progress("effect kept with the floor on", 2, 2)
    return {name: round(on[name] / off[name], 4) for name in off}


def _mean(values: torch.Tensor, seed: int) -> Interval:
    return bootstrap(values[None, :, None], lambda rows: float(rows.mean()), seed=seed)
