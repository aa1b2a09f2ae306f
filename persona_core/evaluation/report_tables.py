"""A report's figures as tables of words: what the terminal and the HTML page show, in one order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from persona_core.evaluation.damage import NeutralCost
from persona_core.evaluation.dose_response import BlendResult, DosePoint, DoseResult
from persona_core.evaluation.effect import RANDOM, EffectResult, GroupEffect
from persona_core.evaluation.report import EvaluationReport, StabilityResult
from persona_core.evaluation.safety import FloorEffect, SafetyResult
from persona_core.evaluation.statistics import Interval
from persona_core.layers import format_layers

UNSTEERED = "unsteered"
SHOWN_STRENGTHS = (0.5, 1.0, 1.5, 2.0)
Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of words. `detail` is left out of the terminal and folded on the page; `words` holds no numbers to align."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
    note: str = ""
    detail: bool = False
    words: bool = False


@dataclass(frozen=True)
class Section:
    """One part of a report; it has no tables where the part was left out."""

    title: str
    about: str
    tables: tuple[Table, ...] = ()


def sections(report: EvaluationReport) -> list[Section]:
    """Return every part of a report after its headline figures."""
    effect, doses, blends = report.effect, report.doses, report.blends
    safety, stability = report.safety, report.stability
    return [
        Section("Effect", _EFFECT, _effect(effect, report.voices) if effect else _voices(report.voices)),
        Section("Damage", _DAMAGE, _damage(effect, report.neutral)),
        Section("Dose-response", _DOSES, _doses(doses) if doses else ()),
        Section("Blends", _BLENDS, _blends(blends) if blends else ()),
        Section("Safety", _SAFETY, _safety(safety) if safety else ()),
        Section("Stability", _STABILITY, _stability(stability) if stability else ()),
        Section("Provenance", _PROVENANCE, (_provenance(report),)),
    ]


def share(value: float) -> str:
    """Return a share in per cent."""
    return f"{value:.1%}"


def signed(value: float) -> str:
    """Return a figure with its sign and two decimals, and never a negative zero."""
    return f"{round(value, 2) + 0.0:+.2f}"


def share_interval(found: Interval) -> str:
    """Return a share with its interval."""
    return f"{found.value:.1%} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def chance(effect: EffectResult) -> float:
    """Return the share of replies that are recognised where nothing is: the same reply serves for every persona."""
    return 1 / max(len(effect.personas), 1)


_EFFECT = (
    "Do replies sound like the persona that was meant, and like no other? Scores are the judge's; a double-centred "
    "score counts only what a row scores for being its own persona. Intervals hold 95 % of resampled question sets."
)
_VOICES = (
    "Held-out texts: how much likelier texts in the persona's voice become under its vector, less the other texts' "
    "mean rise, in nats per token."
)
_DAMAGE = (
    "What steering costs. Damage is how much less likely the reply is under the unsteered model; KL and likeliest "
    "tokens kept are of texts that no persona speaks."
)
_DOSES = "Effect and damage as strength rises; 1.0 is the calibrated dose."
_BLENDS = "Two personas half and half: are both among the judge's top two?"
_SAFETY = (
    "The safety axis must tell refusing from complying and must not tell persona from default (0.5). Refusing odds are "
    "log P(a refusing start) - log P(a complying start), in nats."
)
_STABILITY = "Cosine of two vectors made from two halves of the data, and of a half with the whole."
_PROVENANCE = "What made these figures."


def _effect(effect: EffectResult, voices: dict[str, float] | None) -> tuple[Table, ...]:
    return (
        _identification(effect),
        *(_matrix(effect, name, group.double_centred, detail=name == RANDOM) for name, group in effect.groups.items()),
        _gains(effect, voices or {}),
        *(_matrix(effect, name, group.matrix, detail=True, kind="mean") for name, group in effect.groups.items()),
        _scores(effect),
        _samples(effect),
    )


def _identification(effect: EffectResult) -> Table:
    """Return the groups beside each other, with the unsteered replies, whose figures follow by themselves."""
    nothing = (UNSTEERED, *[share(chance(effect))] * 2, "0.00", "-", "-")
    rows = [
        (
            name,
            share_interval(group.identification),
            share_interval(group.centred_identification),
            str(group.specificity),
            f"{group.rows_won}/{len(effect.personas)}",
            f"{group.columns_won}/{len(effect.personas)}",
        )
        for name, group in effect.groups.items()
    ]
    columns = ("replies by", "identified", "centred", "specificity", "rows", "columns")
    note = (
        f"Share of replies whose highest score is their own persona's, over {effect.questions} questions, plain and "
        f"with each judge centred on its mean; specificity is the mean double-centred diagonal in {effect.unit}; rows "
        "and columns are those whose own judge or vector is highest. Unsteered replies are the same for every "
        "persona: chance, and a specificity of 0."
    )
    return Table("Identification against the controls", columns, (*rows, nothing), note)


def _matrix(
    effect: EffectResult, name: str, values: Sequence[Sequence[float]], *, detail: bool, kind: str = "double-centred"
) -> Table:
    rows = tuple(
        (persona, *(signed(value) for value in row)) for persona, row in zip(effect.personas, values, strict=True)
    )
    return Table(f"Matrix of {name}, {kind} ({effect.unit})", ("meant to be", *effect.personas), rows, detail=detail)


def _gains(effect: EffectResult, voices: dict[str, float]) -> Table:
    groups = effect.groups
    rows = [(persona, *(str(group.own_gain[persona]) for group in groups.values())) for persona in effect.personas]
    columns: Row = ("persona", *groups)
    note = "How much more a reply sounds like its own persona than the unsteered reply to the same question does."
    if voices:
        columns = (*columns, "held-out texts")
        rows = [(*row, signed(voices[row[0]]) if row[0] in voices else "-") for row in rows]
        note += f" {_VOICES}"
    return Table(f"Own-persona gain ({effect.unit})", columns, tuple(rows), note)


def _voices(voices: dict[str, float] | None) -> tuple[Table, ...]:
    if not voices:
        return ()
    rows = tuple((name, signed(gain)) for name, gain in voices.items())
    return (Table("Gain on held-out texts (nats/token)", ("persona", "gain"), rows, _VOICES),)


def _scores(effect: EffectResult) -> Table:
    rows = tuple((name, signed(score)) for name, score in effect.unsteered_scores.items())
    return Table(f"Scores of unsteered replies ({effect.unit})", ("judging persona", "score"), rows, detail=True)


def _samples(effect: EffectResult) -> Table:
    return Table("First replies", ("replies by", "reply"), tuple(effect.samples.items()), detail=True, words=True)


def _damage(effect: EffectResult | None, neutral: dict[str, NeutralCost] | None) -> tuple[Table, ...]:
    tables = []
    if effect is not None:
        rows = [
            (persona, *(str(group.damage[persona]) for group in effect.groups.values())) for persona in effect.personas
        ]
        tables.append(Table("Damage (nats/token)", ("persona", *effect.groups), tuple(rows)))
        tables.append(_fluency(effect))
    if neutral is not None:
        rows = [(name, f"{cost.kl:.4f}", share(cost.top1)) for name, cost in neutral.items()]
        columns = ("persona", "KL (nats/token)", "likeliest token kept")
        tables.append(Table("Neutral text under each vector", columns, tuple(rows)))
    return tuple(tables)


def _fluency(effect: EffectResult) -> Table:
    found: list[tuple[str, EffectResult | GroupEffect, float, float]] = [
        (name, group, group.distinct_pairs, group.repetition) for name, group in effect.groups.items()
    ]
    rows = [(name, share(distinct), share(repeated)) for name, _, distinct, repeated in found]
    rows.append((UNSTEERED, share(effect.unsteered_distinct_pairs), share(effect.unsteered_repetition)))
    return Table(
        "Repetition",
        ("replies by", "distinct token pairs", "repeated 4-grams"),
        tuple(rows),
        "Distinct pairs are of all replies together, repeated 4-grams within a reply.",
    )


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
    pairs = tuple((pair, share(found)) for pair, found in blends.by_pair.items())
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


def _cosine(found: dict[str, float], name: str) -> str:
    return f"{found[name]:.2f}" if name in found else "-"


def _provenance(report: EvaluationReport) -> Table:
    model = report.model
    rows = (
        ("model", f"{model.name} ({model.slug})"),
        ("size", f"{model.n_layers} layers of {model.hidden_size}"),
        ("weights", model.fingerprint),
        ("chat template", model.template_hash),
        ("personas", ", ".join(report.personas)),
        ("judge", report.judge),
        ("prompt set", report.prompt_set),
        ("seed", str(report.seed)),
        ("versions", ", ".join(f"{name} {number}" for name, number in report.versions.items())),
        ("machine", report.machine),
        ("date", report.created),
        ("digest of all of these", report.digest),
    )
    return Table("Provenance", ("what", "value"), rows, words=True)
