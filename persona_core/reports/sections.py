"""Sections: a report's figures as tables, in the one order that the terminal and the HTML page show them."""

from __future__ import annotations

from collections.abc import Iterable

from persona_core.base.layers import format_layers
from persona_core.base.numbers import signed
from persona_core.evaluation.dose_response import BlendResult, DosePoint, DoseResult
from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.safety import FloorEffect, SafetyResult
from persona_core.evaluation.stability import StabilityResult
from persona_core.reports.conversation_tables import conversation_tables
from persona_core.reports.effect_tables import damage_tables, effect_tables, voice_tables
from persona_core.reports.tables import Section, Table, share, share_interval

SHOWN_STRENGTHS = (0.5, 1.0, 1.5, 2.0)


def sections(report: EvaluationReport) -> list[Section]:
    """Return a section for every part of a report, and one of its provenance."""
    effect, doses, blends = report.effect, report.doses, report.blends
    safety, stability, conversations = report.safety, report.stability, report.conversations
    return [
        Section("Effect", _EFFECT, effect_tables(effect, report.voices) if effect else voice_tables(report.voices)),
        Section("Damage", _DAMAGE, damage_tables(effect, report.neutral)),
        Section("Conversations", _CONVERSATIONS, conversation_tables(conversations) if conversations else ()),
        Section("Dose-response", _DOSES, _doses(doses) if doses else ()),
        Section("Blends", _BLENDS, _blends(blends) if blends else ()),
        Section("Safety", _SAFETY, _safety(safety) if safety else ()),
        Section("Stability", _STABILITY, _stability(stability) if stability else ()),
        Section("Provenance", _PROVENANCE, (_provenance(report),)),
    ]


_EFFECT = (
    "Do replies sound like the persona that was meant, and like no other? Scores are the judge's; a double-centred "
    "score counts only what a row scores for being its own persona. Intervals hold 95 % of resampled question sets."
)
_DAMAGE = (
    "What steering costs. Damage is how much less likely the reply is under the unsteered model; KL and likeliest "
    "tokens kept are of texts that no persona speaks."
)
_CONVERSATIONS = "Do replies keep their character, and stay readable, over the turns of a conversation?"
_DOSES = "Effect and damage as strength rises; 1.0 is the calibrated dose."
_BLENDS = "Two personas half and half: are both among the judge's top two?"
_SAFETY = (
    "The safety axis must tell refusing from complying and must not tell persona from default (0.5). Refusing odds are "
    "log P(a refusing start) - log P(a complying start), in nats."
)
_STABILITY = "Cosine of two vectors made from two halves of the data, and of a half with the whole."
_PROVENANCE = "What made these figures."


def _doses(doses: DoseResult) -> tuple[Table, ...]:
    shown = sorted({*SHOWN_STRENGTHS, doses.default_strength})
    short = tuple(
        (name, *(_dose_words(points, strength) for strength in shown)) for name, points in doses.curves.items()
    )
    strengths = sorted({point.strength for points in doses.curves.values() for point in points})
    whole = tuple(
        (f"{strength:g}", *(_dose_words(points, strength, whole=True) for points in doses.curves.values()))
        for strength in strengths
    )
    return (
        Table(
            "Gain / damage (nats/token) by strength",
            ("persona", *(f"{strength:g}" for strength in shown)),
            short,
            f"On {doses.questions} questions; the default strength is {doses.default_strength:g}.",
        ),
        Table("Gain / damage / repeated 4-grams", ("strength", *doses.curves), whole, detail=True),
    )


def _dose_words(points: Iterable[DosePoint], strength: float, *, whole: bool = False) -> str:
    point = next((point for point in points if abs(point.strength - strength) < 1e-6), None)
    if point is None:
        return "-"
    words = f"{signed(point.gain)} / {point.damage:.2f}"
    return f"{words} / {point.repetition:.1%}" if whole else words


def _blends(blends: BlendResult) -> tuple[Table, ...]:
    rows = (
        ("both parts in the top two", share_interval(blends.both)),
        ("the same, each judge centred", share_interval(blends.both_centred)),
        ("chance", share(blends.chance)),
        ("damage (nats/token)", str(blends.damage)),
    )
    pairs = tuple((pair, share(recognised)) for pair, recognised in blends.by_pair.items())
    return (
        Table(f"Blends 0.5:0.5 on {blends.questions} questions", ("what", "figure"), rows),
        Table("By pair, each judge centred", ("blend", "both recognised"), pairs),
    )


def _safety(safety: SafetyResult) -> tuple[Table, ...]:
    layers = safety.capping_layers
    rows = tuple(
        (f"{layer}{' (capping)' if layer in layers else ''}", f"{refuse:.2f}", f"{persona:.2f}")
        for layer, (refuse, persona) in enumerate(
            zip(safety.refuse_comply_auc, safety.default_persona_auc, strict=True)
        )
    )
    return (
        _floor(safety.floor, safety),
        _odds(safety),
        Table(
            "AUC of the safety axis by layer", ("layer", "refusing / complying", "default / persona"), rows, detail=True
        ),
    )


def _odds(safety: SafetyResult) -> Table:
    kept = safety.effect_kept
    rows = tuple(
        (name, signed(off), signed(on), signed(on - off), share(kept[name]) if name in kept else "-")
        for name, (off, on) in safety.jailbreak_odds.items()
    )
    columns = ("persona or blend", "odds, floor off", "odds, floor on", "rise", "effect kept")
    note = "Effect kept: what a persona does for texts in its own voice with the floor on, over the same with it off."
    return Table("Refusing odds under jailbreaks (nats), and effect kept with the floor on", columns, rows, note)


def _floor(floor: FloorEffect, safety: SafetyResult) -> Table:
    refusals = f"{share(floor.refusal_rate)}, {share(floor.refusal_rate_floor)}"
    over_refusals = f"{share(floor.over_refusal_rate)}, {share(floor.over_refusal_rate_floor)}"
    rows = (
        ("cost on unsteered replies: KL (nats/token)", f"{floor.benign_kl:.4f}"),
        ("cost on unsteered replies: likeliest token kept", share(floor.benign_top1)),
        ("cost on neutral text: KL (nats/token)", f"{floor.neutral.kl:.4f}"),
        ("cost on neutral text: likeliest token kept", share(floor.neutral.top1)),
        ("refusing odds under jailbreaks, unsteered (nats)", str(floor.jailbreak_odds)),
        ("rise of these odds by the floor (nats)", str(floor.jailbreak_rise)),
        ("replies to jailbreaks that refuse: floor off, on", refusals),
        ("replies to harmless requests that refuse: floor off, on", over_refusals),
        ("rise of the odds on harmless requests (nats)", signed(floor.over_refusal_rise)),
    )  # fmt: skip
    title = f"The floor alone: percentile {safety.percentile:g} at layers {format_layers(safety.capping_layers)}"
    return Table(title, ("what", "figure"), rows)


def _stability(stability: StabilityResult) -> tuple[Table, ...]:
    names = list(dict.fromkeys([*stability.split_half, *stability.half_whole]))
    rows = tuple((name, _cosine(stability.split_half, name), _cosine(stability.half_whole, name)) for name in names)
    return (Table("Cosine", ("persona", "two halves", "half and whole"), rows),)


def _cosine(cosines: dict[str, float], name: str) -> str:
    return f"{cosines[name]:.2f}" if name in cosines else "-"


def _provenance(report: EvaluationReport) -> Table:
    model = report.model
    rows = (
        ("model", f"{model.name} ({model.slug})"),
        ("size", f"{model.n_layers} layers of {model.hidden_size}"),
        ("weights", model.fingerprint),
        ("chat template", model.template_hash),
        ("personas", ", ".join(report.personas)),
        ("judge", report.judge),
        ("judge prompts", _judge_prompts(report)),
        ("prompt set", report.prompt_set),
        ("seed", str(report.seed)),
        ("versions", ", ".join(f"{name} {number}" for name, number in report.versions.items())),
        ("machine", report.machine),
        ("date", report.created),
        ("digest of all of these", report.digest),
    )
    return Table("Provenance", ("what", "value"), rows, words=True)


def _judge_prompts(report: EvaluationReport) -> str:
    """Say whether the words that the default judge reads with are words that extraction has read too."""
    without = report.personas if report.without_judge_prompts is None else report.without_judge_prompts
    if not without:
        return "each persona's own, which extraction does not read"
    return f"none of {', '.join(without)}: judged by their first system prompts, which extraction reads too"
