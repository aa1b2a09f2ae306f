"""Conversation tables: whether replies keep their character, and stay readable, from turn to turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from persona_core.evaluation.broken import KINDS
from persona_core.evaluation.conversations import READ_TURNS, ConversationResult, Figures
from persona_core.reports.readability_tables import broken_table, kind_counts
from persona_core.reports.tables import Table, share_interval

_FIGURES: dict[str, Callable[[Figures], str]] = {
    "Identified": lambda figures: share_interval(figures.identification),
    "Identified, each judge centred": lambda figures: share_interval(figures.centred_identification),
    "Coherence (nats/token, low is good)": lambda figures: str(figures.coherence),
    "Broken": lambda figures: share_interval(figures.broken),
    "Echo": lambda figures: share_interval(figures.echo),
}
_ECHO = "Echo: 4-grams of a reply that stand in an earlier reply of the same conversation."


def conversation_tables(conversations: ConversationResult) -> tuple[Table, ...]:
    """Return a table for each figure, of the kinds in which replies are broken, and of the broken replies."""
    n = conversations.conversations
    first, *others = (_by_turn(conversations, title, figure) for title, figure in _FIGURES.items())
    about = f"In {n} conversations that each persona holds; a reply is judged beside the user's turn alone."
    return (
        replace(first, note=about),
        *others[:-1],
        replace(others[-1], note=_ECHO),
        _kinds(conversations),
        broken_table(conversations.broken_replies),
    )


def _by_turn(conversations: ConversationResult, title: str, figure: Callable[[Figures], str]) -> Table:
    """Return one figure of every group, turn by turn, and its change."""
    rows = tuple(
        (name, *map(figure, turns), figure(conversations.change[name])) for name, turns in conversations.groups.items()
    )
    columns = ("replies by", *(f"turn {turn}" for turn in READ_TURNS), f"turn {READ_TURNS[-1]} less {READ_TURNS[0]}")
    return Table(title, columns, rows)


def _kinds(conversations: ConversationResult) -> Table:
    rows = tuple(
        (name, str(figures.turn), *kind_counts(figures.kinds), str(figures.replies))
        for name, turns in conversations.groups.items()
        for figures in turns
    )
    return Table("Broken replies by kind and turn", ("replies by", "turn", *KINDS, "of"), rows, detail=True)
