"""A conversation is exported as Markdown to read, and as JSON with everything that was measured."""

import json

from chats import turn

from persona_core.chat.conversation import Conversation
from persona_core.cli.chat.export import as_json, as_markdown


def test_markdown_has_every_turn_with_its_receipt() -> None:
    text = as_markdown(Conversation("Be brief.", [turn("first", "one"), turn("second", "two")]))
    blocks = text.split("\n\n")
    assert blocks[0] == "*System prompt: Be brief.*"
    assert blocks[1:3] == ["**You:** first", "one"]
    assert blocks[3].startswith("> sage at strength 1")
    assert blocks[3].endswith("(seed 0)")
    assert blocks[4] == "**You:** second"
    assert "System prompt" not in as_markdown(Conversation("", [turn()]))


def test_json_has_receipts_and_projections_and_keeps_the_letters() -> None:
    data = json.loads(as_json(Conversation("Sei kurz.", [turn("für dich", projections={"safety": [1.5]})])))
    assert data["system"] == "Sei kurz."
    assert data["turns"][0]["receipt"]["personas"] == {"sage": 1.0}
    assert data["turns"][0]["projections"] == {"safety": [1.5]}
    assert "für dich" in as_json(Conversation("", [turn("für dich")]))
