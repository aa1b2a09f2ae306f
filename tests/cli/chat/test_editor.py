"""The editor completes commands and their values; a pipe is read line by line and answers nothing."""

import io

import pytest
from chats import COMMANDS, new_session, type_line

from persona_core import SteeringEngine
from persona_core.chat.commands import SideBySide
from persona_core.cli.chat.editor import PipeEditor, candidates, ending, pick_editor
from persona_core.errors import PromptError


def test_the_name_of_a_command_is_completed(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    found = {text: replaced for text, replaced, _ in candidates(session, COMMANDS, "/s")}
    assert {"/strength", "/safety", "/seed", "/system", "/save"} <= set(found)
    assert set(found.values()) == {2}
    assert not list(candidates(session, COMMANDS, "/nothing"))


def test_the_values_of_a_command_are_completed(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    assert [text for text, *_ in candidates(session, COMMANDS, "/persona ")] == ["sage", "trickster"]
    assert [(text, replaced) for text, replaced, _ in candidates(session, COMMANDS, "/persona tr")] == [
        ("trickster", 2)
    ]
    assert [text for text, *_ in candidates(session, COMMANDS, "/blend sage")] == ["sage:0.5,trickster:0.5"]
    assert not list(candidates(session, COMMANDS, "/unknown tr"))


@pytest.mark.parametrize(
    ("typed", "added"),
    [
        ("/per", "sona "),
        ("/persona", " "),
        ("/wh", "y"),
        ("/why", ""),
        ("/s", ""),
        ("/sa", ""),
        ("/se", "ed "),
        ("/persona ", ""),
        ("/persona t", "rickster"),
        ("/persona x", ""),
        ("/nothing", ""),
        ("What is /per", ""),
        ("", ""),
    ],
)
def test_tab_adds_what_all_completions_begin_with(tiny_engine: SteeringEngine, typed: str, added: str) -> None:
    assert ending(new_session(tiny_engine), COMMANDS, typed) == added


def test_the_completions_of_compare_are_what_it_takes(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    session.set_personas({"trickster": 1.0})
    (only,) = [text for text, *_ in candidates(session, COMMANDS, "/compare trickster,s")]
    outcome = type_line(session, f"/compare {only}What is fire?")
    assert isinstance(outcome, SideBySide)
    assert set(outcome.columns()) == {"trickster", "sage"}


def test_a_pipe_is_read_line_by_line_until_its_end(
    tiny_engine: SteeringEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("first\nsecond\n"))
    editor = pick_editor(new_session(tiny_engine), COMMANDS, str)
    assert isinstance(editor, PipeEditor)
    assert [editor.read(), editor.read()] == ["first\n", "second\n"]
    with pytest.raises(EOFError):
        editor.read()
    with pytest.raises(EOFError):
        editor.confirm("really?")


def test_bytes_that_are_no_text_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8"))
    with pytest.raises(PromptError, match="not UTF-8 text"):
        PipeEditor().read()
