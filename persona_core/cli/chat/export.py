"""Export: a conversation as Markdown to read, or as JSON with receipts and projections."""

from __future__ import annotations

import json

from persona_core.chat.conversation import Conversation


def as_markdown(conversation: Conversation) -> str:
    """Return the turns as Markdown, each reply followed by its receipt in words."""
    blocks = [f"*System prompt: {conversation.system}*"] if conversation.system else []
    for turn in conversation.turns:
        blocks += [f"**You:** {turn.user}", turn.text, f"> {turn.receipt.line()} (seed {turn.receipt.seed})"]
    return "\n\n".join(blocks) + "\n"


def as_json(conversation: Conversation) -> str:
    """Return questions, replies, receipts, digests of the vectors, and projections token by token as JSON."""
    turns = [turn.model_dump(mode="json", exclude={"kind"}) for turn in conversation.turns]
    return json.dumps({"system": conversation.system, "turns": turns}, indent=2, ensure_ascii=False) + "\n"
