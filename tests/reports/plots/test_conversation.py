"""Saved conversations: session files and JSON objects, read for their receipts alone."""

import json
from pathlib import Path

import pytest

from persona_core.chat.conversation import Turn
from persona_core.chat.log import Event, SessionLog
from persona_core.engine.receipt import FloorReceipt, Receipt
from persona_core.errors import PlotError
from persona_core.reports.plots.conversation import PlottedFloor, PlottedReceipt, read_conversation
from persona_core.testing import example_vector


def test_the_file_of_a_chat_is_read_without_the_turns_that_were_taken_back(tmp_path: Path) -> None:
    fields: dict[str, object] = dict.fromkeys(
        ("strength", "prompt_tokens", "reused_tokens", "reply_tokens", "steered_tokens", "seed"), 1
    )
    fields |= {
        "model": "m",
        "personas": {},
        "safety": "on",
        "plan": "",
        "relative_change": {},
        "floor": None,
        "finish": "end",
    }
    log = SessionLog.new(tmp_path, example_vector("sage").header.model, "mine")
    for value in (1.0, 2.0, 3.0):
        log.add(Turn(user="q", text="a", receipt=Receipt(**fields, assistant_projection=value)))
        if value == 2.0:
            log.add(Event(kind="undo"))
    log.end()
    assert [receipt.assistant_projection for receipt in read_conversation(log.path)] == [1.0, 3.0]


@pytest.mark.parametrize("indent", [None, 2])
def test_conversations_are_lines_or_what_generate_prints(tmp_path: Path, indent: int | None) -> None:
    fields = {"assistant_projection": 3.5, "floor": None, "personas": {"sage": 0.5, "jester": 0.2}, "strength": 0.8}
    fields |= {"model": "m", "plan": "p"}
    path = tmp_path / "talk.jsonl"
    texts = [json.dumps({"text": "Hé\n", "receipt": fields}, indent=indent)] * 3
    path.write_text("\n".join(texts) + "\n\n", encoding="utf-8")
    receipts = read_conversation(path)
    assert [receipt.assistant_projection for receipt in receipts] == [3.5] * 3
    assert receipts[0].speaker == "sage 0.5 + jester 0.2 at 0.8"


def test_the_fields_that_pictures_read_are_fields_of_receipts() -> None:
    assert set(PlottedReceipt.model_fields) <= set(Receipt.model_fields)
    assert set(PlottedFloor.model_fields) <= set(FloorReceipt.model_fields)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no turn"),
        (" \n ", "holds no turn"),
        ('{"receipt": {}}\n{"receipt"', "line 2: not JSON"),
        ('{"receipt": {}}\n{"text": "x"}', "turn 2: receipt: Field required"),
        ("[1]", "turn 1: the document: Input should be"),
        ('{"receipt": {"assistant_projection": "high"}}', "turn 1: receipt.assistant_projection"),
    ],
)
def test_a_wrong_conversation_is_an_error_that_says_where(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text(text)
    with pytest.raises(PlotError, match=f"talk.jsonl.*{problem}"):
        read_conversation(path)
