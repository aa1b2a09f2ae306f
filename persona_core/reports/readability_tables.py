"""Readability tables: what a reader sees of the replies of each group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from persona_core.evaluation.broken import KINDS
from persona_core.evaluation.effect import RANDOM, EffectResult
from persona_core.evaluation.first_tokens import PERCENTILE
from persona_core.evaluation.readability import BrokenReply, ReadabilityResult
from persona_core.reports.tables import Row, Table, share_interval


def readability_tables(effect: EffectResult) -> tuple[Table, ...]:
    """Return the tables of what a reader sees; none for a report of an earlier version, which has no such figures."""
    readability = effect.readability
    if readability is None:
        return ()
    return (
        _figures(readability),
        _kinds(readability),
        *_by_persona(effect, readability),
        broken_table(readability.broken_replies),
    )


def _figures(readability: ReadabilityResult) -> Table:
    rows = tuple(
        (
            name,
            str(group.coherence),
            share_interval(group.broken),
            share_interval(group.first_token_faults),
            str(group.on_topic or "-"),
        )
        for name, group in readability.groups.items()
    )
    first = readability.first_tokens
    note = (
        "Coherence: nats/token in the likelier of two contexts, no system prompt and the own persona's judge prompts; "
        "low is good. First-token faults: replies whose first token has an unsteered log-probability below "
        f"{first.log_prob:.2f}, percentile {PERCENTILE:g} of {first.n} sampled first tokens of unsteered replies. On "
        "topic: how much likelier replies are after their question than after another, as a share of unsteered ones."
    )
    columns = ("replies by", "coherence", "broken", "first-token faults", "on topic")
    return Table("What a reader sees", columns, rows, note)


def _kinds(readability: ReadabilityResult) -> Table:
    rows = tuple((name, *kind_counts(group.kinds), str(group.replies)) for name, group in readability.groups.items())
    note = "A reply may be broken in more than one kind. A loop has more than 30% repeated 4-grams."
    return Table("Broken replies by kind", ("replies by", *KINDS, "of"), rows, note)


def kind_counts(kinds: dict[str, int]) -> Row:
    """Return how many replies are broken in each kind, in the order of `KINDS`."""
    return tuple(str(kinds.get(kind, 0)) for kind in KINDS)


def _by_persona(effect: EffectResult, readability: ReadabilityResult) -> Iterator[Table]:
    """Yield coherence and broken replies by persona; those of random vectors are a detail."""
    for detail in (False, True):
        groups = {name: group for name, group in readability.groups.items() if (name == RANDOM) is detail}
        columns, of = ("persona", *groups), f", {RANDOM}" if detail else ""
        coherence = tuple((name, *(str(one.coherence_of[name]) for one in groups.values())) for name in effect.personas)
        broken = tuple(
            (name, *(share_interval(one.broken_of[name]) for one in groups.values())) for name in effect.personas
        )
        yield Table(f"Coherence by persona{of} (nats/token, low is good)", columns, coherence, detail=detail)
        yield Table(f"Broken replies by persona{of}", columns, broken, detail=detail)


def broken_table(replies: Sequence[BrokenReply]) -> Table:
    """Return the broken replies as they were said."""
    rows = tuple(
        (f"{reply.group}: {reply.persona}", ", ".join(reply.kinds), reply.question, reply.text) for reply in replies
    )
    return Table("Broken replies", ("replies by", "kinds", "question", "reply"), rows, detail=True, words=True)
