"""Effect tables: an evaluation's effect and damage, one column or row for each way of making personas."""

from __future__ import annotations

from collections.abc import Sequence

from persona_core.base.numbers import signed
from persona_core.evaluation.damage import NeutralCost
from persona_core.evaluation.effect import PROMPTS, VECTORS, EffectResult
from persona_core.evaluation.readability import PLAIN
from persona_core.reports.readability_tables import readability_tables
from persona_core.reports.tables import Row, Table, share, share_interval

_SHOWN_MATRICES = (VECTORS, PROMPTS)
_VOICES = (
    "Held-out texts: how much likelier texts in the persona's voice become under its vector, less the other texts' "
    "mean rise, in nats per token."
)


def chance(effect: EffectResult) -> float:
    """Return the share of unsteered replies that are identified: one in the personas, as all share one reply."""
    return 1 / max(len(effect.personas), 1)


def effect_tables(effect: EffectResult, voices: dict[str, float] | None) -> tuple[Table, ...]:
    """Return the tables of identification, readability, matrices, gains, unsteered scores and first replies."""
    return (
        _identification(effect),
        *readability_tables(effect),
        *(
            _matrix(effect, name, group.double_centred, detail=name not in _SHOWN_MATRICES)
            for name, group in effect.groups.items()
        ),
        _gains(effect, voices or {}),
        *(_matrix(effect, name, group.matrix, detail=True, scores="mean") for name, group in effect.groups.items()),
        _scores(effect),
        _samples(effect),
    )


def _identification(effect: EffectResult) -> Table:
    """Return one row a group, and one of unsteered replies, whose figures are known without measuring."""
    unsteered = (PLAIN, *[share(chance(effect))] * 2, "0.00", "-")
    rows = [
        (
            name,
            share_interval(group.identification),
            share_interval(group.centred_identification),
            str(group.specificity),
            f"{group.rows_won}/{len(effect.personas)}, {group.columns_won}/{len(effect.personas)}",
        )
        for name, group in effect.groups.items()
    ]
    columns = ("replies by", "identified", "centred", "specificity", "rows, columns")
    note = (
        f"Share of replies whose highest score is their own persona's, over {effect.questions} questions, plain and "
        f"with each judge centred on its mean; specificity is the mean double-centred diagonal in {effect.unit}; rows "
        "and columns are those whose own judge or vector is highest. Unsteered replies are the same for every "
        "persona: chance, and a specificity of 0."
    )
    return Table("Identification against the controls", columns, (*rows, unsteered), note)


def _matrix(
    effect: EffectResult, name: str, values: Sequence[Sequence[float]], *, detail: bool, scores: str = "double-centred"
) -> Table:
    rows = tuple(
        (persona, *(signed(value) for value in row)) for persona, row in zip(effect.personas, values, strict=True)
    )
    return Table(f"Matrix of {name}, {scores} ({effect.unit})", ("meant to be", *effect.personas), rows, detail=detail)


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


def voice_tables(voices: dict[str, float] | None) -> tuple[Table, ...]:
    """Return the gains on held-out texts, for a report without the effect."""
    if not voices:
        return ()
    rows = tuple((name, signed(gain)) for name, gain in voices.items())
    return (Table("Gain on held-out texts (nats/token)", ("persona", "gain"), rows, _VOICES),)


def _scores(effect: EffectResult) -> Table:
    rows = tuple((name, signed(score)) for name, score in effect.unsteered_scores.items())
    return Table(f"Scores of unsteered replies ({effect.unit})", ("judging persona", "score"), rows, detail=True)


def _samples(effect: EffectResult) -> Table:
    return Table("First replies", ("replies by", "reply"), tuple(effect.samples.items()), detail=True, words=True)


def damage_tables(effect: EffectResult | None, neutral: dict[str, NeutralCost] | None) -> tuple[Table, ...]:
    """Return the costs of steering: damage and repetition of the replies, and the change of neutral texts."""
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
    rows = [(name, share(group.distinct_pairs), share(group.repetition)) for name, group in effect.groups.items()]
    rows.append((PLAIN, share(effect.unsteered_distinct_pairs), share(effect.unsteered_repetition)))
    return Table(
        "Repetition",
        ("replies by", "distinct token pairs", "repeated 4-grams"),
        tuple(rows),
        "Distinct pairs are of all replies together, repeated 4-grams within a reply.",
    )
