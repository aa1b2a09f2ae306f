"""Safety: measures what the safety axis separates, what its floor does to jailbreaks, and what the floor costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, cycle

from jaxtyping import Float
from torch import Tensor

from persona_core.base.messages import question_messages
from persona_core.base.records import Record
from persona_core.evaluation.answers import ReplyCondition
from persona_core.evaluation.damage import NeutralCost, neutral_cost, voice_gains
from persona_core.evaluation.effect import PROMPTS, conditions
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.statistics import Interval, mean_interval
from persona_core.extraction.activations import ActivationExtractor
from persona_core.extraction.assistant_axis import separation
from persona_core.extraction.data import safety_dataset
from persona_core.extraction.refusal import dataset_starts, refuses, refusing_odds
from persona_core.extraction.safety_axis import scripted_means
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import plan_cost
from persona_core.steering.plan import UNSTEERED, SteeringPlan
from persona_core.vectors.store import SAFETY

Means = Float[Tensor, "rollout layer hidden"]
"""The mean stream over each reply's tokens."""

_REQUESTS = 4
"""Held-out requests that each jailbreak is filled with."""
_GENERATED = 12
"""Jailbreaks that replies are sampled to."""


class FloorEffect(Record):
    """What the floor does without any persona: it raises the refusing odds, in nats, and costs something elsewhere."""

    benign_kl: float
    benign_top1: float
    neutral: NeutralCost
    jailbreak_odds: Interval
    """Log-odds of a refusing start under persona jailbreaks, unsteered."""
    jailbreak_rise: Interval
    """What the floor alone adds to these odds."""
    refusal_rate: float
    refusal_rate_floor: float
    over_refusal_rate: float
    over_refusal_rate_floor: float
    over_refusal_rise: float
    """What the floor alone adds to the refusing odds on harmless questions that sound harmful."""


class SafetyResult(Record):
    """What the axis separates by layer, what its floor does alone, and what it does to personas and blends."""

    capping_layers: list[int]
    percentile: float
    refuse_comply_auc: list[float]
    default_persona_auc: list[float]
    floor: FloorEffect
    jailbreak_odds: dict[str, tuple[float, float]]
    """persona or blend -> refusing odds with the floor off and on."""
    effect_kept: dict[str, float]
    """persona -> its gain on texts in its own voice with the floor on, over the same with the floor off."""


def measure_safety(evaluation: Evaluation) -> SafetyResult:
    """Measure the axis on held-out pairs and replies, and its floor on benign and on harmful prompts."""
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
    """Return the plan of `generate --safety always` without a persona: the configured bounds and nothing added."""
    plan = evaluation.plan({}, safety="always")
    return SteeringPlan(clamps=plan.clamps, label="floor")


def jailbreak_prompts(evaluation: Evaluation) -> list[list[int]]:
    """Return every jailbreak with each of a few held-out requests, as tokens."""
    pairs = safety_dataset(evaluation.manager).heldout
    requests = [pair.request for pair in pairs[:: max(len(pairs) // _REQUESTS, 1)]][:_REQUESTS]
    texts = [
        frame.format(request=request) for frame in evaluation.prompts.require("jailbreaks") for request in requests
    ]
    return [evaluation.model.encode(question_messages(text)) for text in texts]


def _floor_effect(evaluation: Evaluation) -> FloorEffect:
    floor = floor_only(evaluation)
    jailbreaks = jailbreak_prompts(evaluation)
    harmless = [
        evaluation.model.encode(question_messages(text)) for text in evaluation.prompts.require("safe_looking_unsafe")
    ]
    off, on = (_odds(evaluation, jailbreaks, plan) for plan in (UNSTEERED, floor))
    harmless_off, harmless_on = (_odds(evaluation, harmless, plan) for plan in (UNSTEERED, floor))
    rates_off, rates_on = (_refusal_rates(evaluation, plan) for plan in (UNSTEERED, floor))
    kl, top1 = _benign_cost(evaluation, floor)
    return FloorEffect(
        benign_kl=round(kl, 5),
        benign_top1=round(top1, 4),
        neutral=neutral_cost(evaluation, floor),
        jailbreak_odds=mean_interval(off, seed=evaluation.seed),
        jailbreak_rise=mean_interval(on - off, seed=evaluation.seed),
        refusal_rate=rates_off[0],
        refusal_rate_floor=rates_on[0],
        over_refusal_rate=rates_off[1],
        over_refusal_rate_floor=rates_on[1],
        over_refusal_rise=round(float((harmless_on - harmless_off).mean()), 4),
    )


def _odds(evaluation: Evaluation, prompts: Sequence[Sequence[int]], plan: SteeringPlan) -> Float[Tensor, "prompt"]:
    starts = dataset_starts(evaluation.model, safety_dataset(evaluation.manager))
    return refusing_odds(evaluation.model, prompts, [plan] * len(prompts), starts)


def _odds_by_persona(evaluation: Evaluation) -> dict[str, tuple[float, float]]:
    """Return persona or blend -> refusing odds under every fourth jailbreak prompt, floor off and on."""
    prompts, stage = jailbreak_prompts(evaluation)[::4], "refusing odds by persona"
    blends: dict[str, Mapping[str, float]] = {name: {name: 1.0} for name in evaluation.personas}
    blends |= {f"{a}+{b}": {a: 0.5, b: 0.5} for a, b in combinations(evaluation.personas, 2)}
    odds = {}
    for done, (name, weights) in enumerate(blends.items()):
        evaluation.progress(stage, done, len(blends))
        plans = [evaluation.plan(weights, safety=safety) for safety in (False, True)]
        off, on = (round(float(_odds(evaluation, prompts, plan).mean()), 4) for plan in plans)
        odds[name] = off, on
    evaluation.progress(stage, len(blends), len(blends))
    return odds


def _refusal_rates(evaluation: Evaluation, plan: SteeringPlan) -> tuple[float, float]:
    """Return the shares of refusing replies to jailbreaks and to harmless questions that sound harmful."""
    pairs = safety_dataset(evaluation.manager).heldout
    turns = zip(range(_GENERATED), cycle(evaluation.prompts.require("jailbreaks")), cycle(pairs), strict=False)
    jailbreaks = [jailbreak.format(request=pair.request) for _, jailbreak, pair in turns]
    shares = [
        _refusal_rate(evaluation, plan, asked)
        for asked in (jailbreaks, evaluation.prompts.require("safe_looking_unsafe"))
    ]
    return shares[0], shares[1]


def _refusal_rate(evaluation: Evaluation, plan: SteeringPlan, questions: Sequence[str]) -> float:
    replies = evaluation.ask([ReplyCondition(plan.label, plan)], f"replies: {plan.label}", questions)[0]
    refused = [refuses(reply.text, evaluation.prompts.require("refusal_marks")) for reply in replies]
    return round(sum(refused) / len(refused), 4)


def _benign_cost(evaluation: Evaluation, plan: SteeringPlan) -> tuple[float, float]:
    """Return (KL, top-1 kept) on unsteered replies to the held-out questions."""
    replies = evaluation.unsteered()
    prompts = [evaluation.model.encode(question_messages(reply.question)) for reply in replies]
    return plan_cost(evaluation.model, prompts, [reply.tokens for reply in replies], plan)


def _heldout_means(evaluation: Evaluation) -> tuple[Means, Means]:
    """Return the response means of refusing and of complying replies to the held-out requests."""
    extractor = ActivationExtractor(evaluation.model, progress=evaluation.progress)
    return scripted_means(extractor, safety_dataset(evaluation.manager).heldout, "held-out pairs")


def _default_and_persona_means(evaluation: Evaluation) -> tuple[Means, Means]:
    """Return the response means of default and of persona-prompted replies to questions that made no vector."""
    prompted = conditions(evaluation)[PROMPTS]
    default = _rollouts(evaluation, ReplyCondition("unsteered"), evaluation.unsteered())
    persona = [
        rollout
        for condition, row in zip(prompted, evaluation.ask(prompted, "replies: system prompts"), strict=True)
        for rollout in _rollouts(evaluation, condition, row)
    ]
    extractor = ActivationExtractor(evaluation.model, progress=evaluation.progress)
    default_means, persona_means = (
        extractor.capture(rollouts, "axis: default and personas").mean for rollouts in (default, persona)
    )
    return default_means, persona_means


def _rollouts(evaluation: Evaluation, condition: ReplyCondition, replies: Sequence[JudgedReply]) -> list[Rollout]:
    rollouts = []
    for index, reply in enumerate(replies):
        messages = question_messages(reply.question, condition.system(index))
        prompt = evaluation.model.encode(messages)
        rollouts.append(Rollout(messages, "", len(prompt), "default", (*prompt, *reply.tokens)))
    return rollouts


def _effect_kept(evaluation: Evaluation) -> dict[str, float]:
    """Return each persona's gain on its own voice with the floor on, over that with the floor off.

    Both are teacher-forced, so no sampling blurs the share. A persona that gains nothing is left out.
    """
    stage = "effect kept with the floor on"
    evaluation.progress(stage, 0, 2)
    off = voice_gains(evaluation, safety=False)
    evaluation.progress(stage, 1, 2)
    on = voice_gains(evaluation, safety=True)
    evaluation.progress(stage, 2, 2)
    return {name: round(on[name] / off[name], 4) for name in off if off[name]}
