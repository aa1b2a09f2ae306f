"""Headlines: the few figures that tell whether steering works, what it costs, and whether the floor holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from persona_core.evaluation.conversations import ConversationResult
from persona_core.evaluation.dose_response import BlendResult
from persona_core.evaluation.effect import PROMPTS, RANDOM, VECTORS, EffectResult
from persona_core.evaluation.readability import PLAIN, Readability, ReadabilityResult
from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.safety import SafetyResult
from persona_core.evaluation.stability import StabilityResult
from persona_core.reports.effect_tables import chance
from persona_core.reports.tables import share, share_interval

LEFT_OUT = "left out"
_READABILITY: dict[str, Callable[[Readability], str]] = {
    "coherence (nats/token, low is good)": lambda group: str(group.coherence),
    "broken replies": lambda group: share_interval(group.broken),
    "first-token faults": lambda group: share_interval(group.first_token_faults),
    "on topic, of what unsteered replies are": lambda group: str(group.on_topic or "-"),
}


@dataclass(frozen=True)
class Headline:
    """A figure in words: its name, its value, and the figures to compare it with."""

    name: str
    figure: str
    beside: str = ""


def headlines(report: EvaluationReport) -> list[Headline]:
    """Return the headline figures; a part that was not measured is one line that says so."""
    effect, blends, safety, stability = report.effect, report.blends, report.safety, report.stability
    conversations = report.conversations
    return [
        *(_effect(effect) if effect and VECTORS in effect.groups else [Headline("effect and damage", LEFT_OUT)]),
        *(_conversations(conversations) if conversations else [Headline("conversations", LEFT_OUT)]),
        *(_blends(blends) if blends else [Headline("blends", LEFT_OUT)]),
        *(_safety(safety) if safety else [Headline("safety", LEFT_OUT)]),
        *(_stability(stability) if stability else [Headline("stability", LEFT_OUT)]),
    ]


def _effect(effect: EffectResult) -> list[Headline]:
    vectors = effect.groups[VECTORS]
    controls = {
        name: effect.groups[key]
        for name, key in (("system prompts", PROMPTS), ("random", RANDOM))
        if key in effect.groups
    }
    plain = [f"{name} {share(group.identification.value)}" for name, group in controls.items()]
    centred = [f"{name} {share(group.centred_identification.value)}" for name, group in controls.items()]
    by_chance = f"chance {share(chance(effect))}"
    specific = [f"{name} {group.specificity}" for name, group in controls.items()]
    worst = max(vectors.damage, key=lambda name: vectors.damage[name].value)
    mean = sum(damage.value for damage in vectors.damage.values()) / len(vectors.damage)
    n = len(effect.personas)
    return [
        Headline(
            "replies identified as their persona", share_interval(vectors.identification), _list([*plain, by_chance])
        ),
        Headline(
            "the same, each judge centred", share_interval(vectors.centred_identification), _list([*centred, by_chance])
        ),
        Headline(f"specificity ({effect.unit})", str(vectors.specificity), _list(specific)),
        *_ahead(effect),
        Headline("own judge highest", f"{vectors.rows_won} of {n} rows", f"{vectors.columns_won} of {n} columns"),
        Headline("damage (nats/token)", f"{mean:.2f}", f"highest: {worst} {vectors.damage[worst]}"),
        *(_readability(effect.readability) if effect.readability else []),
    ]


def _readability(readability: ReadabilityResult) -> list[Headline]:
    groups = readability.groups
    controls = [name for name in (PROMPTS, PLAIN) if name in groups]
    return [
        Headline(name, figure(groups[VECTORS]), _list([f"{other} {figure(groups[other])}" for other in controls]))
        for name, figure in _READABILITY.items()
    ]


def _ahead(effect: EffectResult) -> list[Headline]:
    if not effect.ahead_of_prompts:
        return []
    plain, centred = (effect.ahead_of_prompts[key] for key in ("identification", "centred_identification"))
    return [Headline("identified more often than by prompts", str(plain), f"each judge centred {centred}")]


def _conversations(conversations: ConversationResult) -> list[Headline]:
    first, *_, last = conversations.groups[VECTORS]
    change = conversations.change
    prompts = f", system prompts {change[PROMPTS].identification}" if PROMPTS in change else ""
    turns = f"{share(first.identification.value)} and {share(last.identification.value)}{prompts}"
    broken = f"{share(first.broken.value)} at turn {first.turn}"
    return [
        Headline(f"identified at turn {last.turn} less turn {first.turn}", str(change[VECTORS].identification), turns),
        Headline(f"broken replies at turn {last.turn}", share_interval(last.broken), broken),
        Headline(f"echo of earlier replies at turn {last.turn}", share_interval(last.echo), _echoes(conversations)),
    ]


def _echoes(conversations: ConversationResult) -> str:
    groups = conversations.groups
    return _list([f"{name} {share(groups[name][-1].echo.value)}" for name in (PROMPTS, PLAIN) if name in groups])


def _blends(blends: BlendResult) -> list[Headline]:
    beside = f"each judge centred {share(blends.both_centred.value)}, chance {share(blends.chance)}"
    return [Headline("blends with both parts recognised", share_interval(blends.both), beside)]


def _safety(safety: SafetyResult) -> list[Headline]:
    floor, layers = safety.floor, safety.capping_layers
    refuse = [safety.refuse_comply_auc[layer] for layer in layers]
    persona = [safety.default_persona_auc[layer] for layer in layers]
    weakest = min(safety.effect_kept, key=safety.effect_kept.__getitem__, default="")
    return [
        Headline("refusing / complying AUC", _range(refuse), "at the capping layers, held out"),
        Headline("default / persona AUC of the safety axis", _range(persona), "at the capping layers; 0.5 is neutral"),
        Headline(
            "floor's cost on benign replies (KL, nats/token)",
            f"{floor.benign_kl:.4f}",
            f"likeliest token kept {share(floor.benign_top1)}",
        ),
        Headline(
            "rise of the refusing odds under jailbreaks (nats)",
            str(floor.jailbreak_rise),
            f"refusals {share(floor.refusal_rate)} without and {share(floor.refusal_rate_floor)} with the floor",
        ),
        *([_kept(safety, weakest)] if weakest else []),
    ]


def _kept(safety: SafetyResult, weakest: str) -> Headline:
    figure = f"at least {share(safety.effect_kept[weakest])}"
    return Headline("own-persona effect kept with the floor on", figure, f"lowest: {weakest}")


def _stability(stability: StabilityResult) -> list[Headline]:
    cosines = stability.split_half
    if not cosines:
        return []
    weakest = min(cosines, key=cosines.__getitem__)
    return [Headline("two halves of the data agree (cosine)", _range(list(cosines.values())), f"lowest: {weakest}")]


def _range(values: Sequence[float]) -> str:
    if not values:
        return "-"
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def _list(figures: Sequence[str]) -> str:
    return ", ".join(figures)
