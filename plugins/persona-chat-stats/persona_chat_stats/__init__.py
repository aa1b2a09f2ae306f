"""The chat command `/stats`: counts turns, words and lifts of the floor for each persona of a conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from persona_core import hookimpl
from persona_core.errors import SteeringError

if TYPE_CHECKING:
    from persona_core import ChatCommand, ChatSession, Turn

HEAD = f"{'persona':18} {'turns':>5} {'tokens':>7} {'words/turn':>11} {'distinct-2':>11} {'lifts':>6} {'moved':>6}"


def stats(session: ChatSession, value: str) -> str:
    """Return a table with one line a persona or blend, or the lines of one; raise where none has spoken."""
    spoken = by_persona(session.conversation.turns)
    if value and value not in spoken:
        known = ", ".join(spoken) or "nobody yet"
        raise SteeringError(f"{value!r} has not spoken in this conversation; those who have: {known}")
    if not spoken:
        raise SteeringError("nothing has been said yet")
    return "\n".join([HEAD, *(line(name, turns) for name, turns in spoken.items() if value in ("", name))])


def by_persona(turns: Sequence[Turn]) -> dict[str, list[Turn]]:
    """Return persona or blend -> its turns, in the order in which they first spoke."""
    turns_of: dict[str, list[Turn]] = {}
    for turn in turns:
        turns_of.setdefault("+".join(turn.receipt.personas) or "none", []).append(turn)
    return turns_of


def line(name: str, turns: Sequence[Turn]) -> str:
    """Return one line of the table."""
    receipts = [turn.receipt for turn in turns]
    words = sum(len(turn.text.split()) for turn in turns) / len(turns)
    lifts = sum(receipt.floor.hits for receipt in receipts if receipt.floor is not None)
    moved = sum(map(mean_change, (receipt.relative_change for receipt in receipts))) / len(receipts)
    tokens = sum(receipt.reply_tokens for receipt in receipts)
    new = distinct_pairs([turn.text for turn in turns])
    return f"{name:18} {len(turns):5} {tokens:7} {words:11.1f} {new:11.2f} {lifts:6} {moved:6.1%}"


def distinct_pairs(texts: Sequence[str]) -> float:
    """Return the share of neighbouring pairs of words that come for the first time; 1 where there are none."""
    pairs = [pair for text in texts for pair in pairwise(text.lower().split())]
    return len(set(pairs)) / len(pairs) if pairs else 1.0


def mean_change(changes: Mapping[int, float]) -> float:
    """Return the mean over layers; 0 where no layer was changed."""
    return sum(changes.values()) / len(changes) if changes else 0.0


def speakers(session: ChatSession) -> Mapping[str, str]:
    """Return who has spoken, for completion."""
    return {name: f"{len(turns)} turns" for name, turns in by_persona(session.conversation.turns).items()}


@hookimpl
def register_chat_commands() -> list[ChatCommand]:
    """Return the one command."""
    from persona_core import ChatCommand

    return [ChatCommand("stats", "/stats [PERSONA]", "what the conversation is made of", stats, speakers)]
