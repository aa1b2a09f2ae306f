"""Conversation: turns llm's messages into the engine's, and finds what earlier replies of the conversation measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from llm.parts import Message, ReasoningPart, TextPart

from persona_core import Message as Said
from persona_core.errors import PromptError

if TYPE_CHECKING:
    from persona_core import Receipt

METADATA = "persona-steer"
"""The key of what a reply's text carries through llm's log: axis -> mean projection."""


def said(messages: Sequence[Message]) -> list[Said]:
    """Return a conversation as the chat template takes it; raise `PromptError` for anything but text.

    The reasoning of another model's reply is left out: it is no part of what was said.
    """
    return [{"role": message.role, "content": _text(message)} for message in messages]


def n_replies(messages: Sequence[Message]) -> int:
    """Return how many replies there have been."""
    return sum(message.role == "assistant" for message in messages)


def history(messages: Sequence[Message]) -> list[Mapping[str, float]]:
    """Return what capping policies see: one mapping for each of our replies, oldest first."""
    return [dict(projections) for projections in _measured(messages)]


def measured(receipt: Receipt) -> dict[str, dict[str, float]] | None:
    """Return what a reply's text carries, for `history` of a later turn to find."""
    read = receipt.assistant_projection
    return None if read is None else {METADATA: {"assistant": read}}


def _measured(messages: Sequence[Message]) -> Iterator[Mapping[str, float]]:
    for part in (part for message in messages if message.role == "assistant" for part in message.parts):
        carried = part.provider_metadata or {} if isinstance(part, TextPart) else {}
        if METADATA in carried:
            yield carried[METADATA]


def _text(message: Message) -> str:
    if message.role not in ("system", "user", "assistant"):
        raise PromptError(f"a message of the role {message.role!r} cannot be steered: personas use no tools")
    spoken = [part for part in message.parts if not isinstance(part, ReasoningPart)]
    other = next((part for part in spoken if not isinstance(part, TextPart)), None)
    if other is not None:
        raise PromptError(f"personas read text alone, and this conversation holds a {type(other).__name__}")
    return "".join(part.text for part in spoken if isinstance(part, TextPart))
