"""Readability tables: what a reader sees of the replies of each group, alone and over the turns of conversations."""

from __future__ import annotations

from collections.abc import Sequence

from persona_core.evaluation.broken import KINDS
from persona_core.evaluation.conversations import ConversationResult, Figures
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
        _broken_replies(readability.broken_replies),
    )


def conversation_tables(conversations: ConversationResult) -> tuple[Table, ...]:
    """Return the tables of the turns that were judged, and of the broken replies at them."""
    rows: list[Row] = []
    for name, turns in conversations.groups.items():
        rows += [(name, str(figures.turn), *_of_turn(figures)) for figures in turns]
        rows.append((name, f"{turns[-1].turn} less {turns[0].turn}", *_of_turn(conversations.change[name])))
    kinds = tuple(
        (name, str(figures.turn), *_counts(figures.kinds), str(figures.replies))
        for name, turns in conversations.groups.items()
        for figures in turns
    )
    columns = ("replies by", "turn", "identified", "centred", "coherence", "broken")
    note = (
        f"Over {conversations.conversations} conversations that each persona holds; a reply is judged beside the "
        "user's turn alone. Columns as in the tables of the effect. A group's last row is the change of each figure."
    )
    return (
        Table("Replies by turn", columns, tuple(rows), note),
        Table("Broken replies by kind and turn", ("replies by", "turn", *KINDS, "of"), kinds, detail=True),
        _broken_replies(conversations.broken_replies),
    )


def _of_turn(figures: Figures) -> Row:
    shares = (figures.identification, figures.centred_identification)
    return (*map(share_interval, shares), str(figures.coherence), share_interval(figures.broken))


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
    rows = tuple((name, *_counts(group.kinds), str(group.replies)) for name, group in readability.groups.items())
    note = "A reply may be broken in more than one kind. A loop has more than 30% repeated 4-grams."
    return Table("Broken replies by kind", ("replies by", *KINDS, "of"), rows, note)


def _counts(kinds: dict[str, int]) -> Row:
    return tuple(str(kinds.get(kind, 0)) for kind in KINDS)


def _by_persona(effect: EffectResult, readability: ReadabilityResult) -> tuple[Table, ...]:
    shown = {name: group for name, group in readability.groups.items() if name != RANDOM}
    columns, groups = ("persona", *shown), shown.values()
    coherence = ((name, *(str(group.coherence_of[name]) for group in groups)) for name in effect.personas)
    broken = ((name, *(share_interval(group.broken_of[name]) for group in groups)) for name in effect.personas)
    return (
        Table("Coherence by persona (nats/token, low is good)", columns, tuple(coherence)),
        Table("Broken replies by persona", columns, tuple(broken)),
    )


def _broken_replies(replies: Sequence[BrokenReply]) -> Table:
    rows = tuple(
        (f"{reply.group}: {reply.persona}", ", ".join(reply.kinds), reply.question, reply.text) for reply in replies
    )
    return Table("Broken replies", ("replies by", "kinds", "question", "reply"), rows, detail=True, words=True)
