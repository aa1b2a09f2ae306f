"""Damage: measures what steering changes in neutral texts, and how much likelier it makes texts in its own voice."""

from __future__ import annotations

from collections.abc import Sequence

from persona_core.base.messages import question_messages
from persona_core.base.records import Record
from persona_core.evaluation.evaluation import Evaluation
from persona_core.model.scoring import plan_cost, plan_gain
from persona_core.steering.plan import SteeringPlan

_REQUEST = "Write a short text."


class NeutralCost(Record):
    """KL from the unsteered to the steered prediction in nats per token, and the share of likeliest tokens kept."""

    kl: float
    top1: float


def neutral_cost(evaluation: Evaluation, plan: SteeringPlan) -> NeutralCost:
    """Return what a plan changes in the prediction of the prompt set's neutral texts."""
    replies = [as_tokens(evaluation, text) for text in evaluation.prompts.require("neutral")]
    prompts = [evaluation.model.encode(question_messages(_REQUEST))] * len(replies)
    kl, top1 = plan_cost(evaluation.model, prompts, replies, plan)
    return NeutralCost(kl=round(kl, 5), top1=round(top1, 4))


def neutral_costs(evaluation: Evaluation) -> dict[str, NeutralCost]:
    """Return what each persona changes in neutral texts, at the configured settings."""
    return {name: neutral_cost(evaluation, evaluation.plan(name)) for name in evaluation.personas}


def voice_gains(evaluation: Evaluation, *, safety: bool | None = None) -> dict[str, float]:
    """Return how much likelier each persona's held-out texts become under its plan, in nats per token.

    The texts are teacher-forced. The mean rise of the other personas' texts is subtracted, so that a gain counts only
    what the plan does for its own voice.
    """
    plans = {name: evaluation.plan(name, safety=safety) for name in evaluation.personas}
    voices = {name: texts for name, texts in evaluation.prompts.held_out.voices.items() if name in plans}
    rises = {
        name: {voice: _rise(evaluation, plan, texts) for voice, texts in voices.items()} for name, plan in plans.items()
    }
    gains = {}
    for name in voices:
        others = [rises[name][voice] for voice in voices if voice != name]
        gains[name] = round(rises[name][name] - sum(others) / max(len(others), 1), 4)
    return gains


def as_tokens(evaluation: Evaluation, text: str) -> list[int]:
    """Return a text's tokens, its lines joined into one."""
    tokens: list[int] = evaluation.model.tokenizer.encode(" ".join(text.split()), add_special_tokens=False)
    return tokens


def _rise(evaluation: Evaluation, plan: SteeringPlan, texts: Sequence[str]) -> float:
    questions = evaluation.prompts.held_out.questions
    prompts = [evaluation.model.encode(question_messages(question)) for question in questions]
    replies = [as_tokens(evaluation, text) for text in texts]
    return float(plan_gain(evaluation.model, prompts, replies, plan).mean())
