"""Telemetry: one line a turn in the file that is named, no words unless they are asked for, and no connection ever."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import persona_telemetry
import pytest
from persona_telemetry import FILE, TEXT, after_turn, register_chat_commands, telemetry

from persona_core import Ask, ChatSession, PluginManager
from persona_core.errors import SteeringError
from persona_core.testing import check_chat_command, check_turn_monitor, example_turns

Lines = Callable[[], list[dict[str, Any]]]
KEYS = [
    "version", "time", "session", "model", "personas", "strength", "safety", "floor_hits", "projections",
    "prompt_tokens", "reply_tokens", "seconds", "seed", "replaced",
]  # fmt: skip
QUESTION = "What is a secret?"
GUARDED = """
import sys

def refuse(event, arguments):
    if event.startswith("socket."):
        raise PermissionError(f"refused: {event}")

sys.addaudithook(refuse)
import socket
try:
    socket.socket()
except PermissionError:
    print("guarded")

from persona_core import TurnMonitors, load_plugins
from persona_core.testing import example_turns

plugins = load_plugins()
monitors = TurnMonitors(plugins)
for request, turn in example_turns():
    print([*monitors.before(request), *monitors.after(turn, request.session)])
command = plugins.registry("register_chat_commands")["telemetry"]
print(command.distribution, command.value.run(None, ""))
"""
APPENDS = """
import sys
from persona_core.testing import example_turns
from persona_telemetry import after_turn
((request, turn), _) = example_turns()
turn = turn.model_copy(update={"text": sys.argv[1] * 20_001})
for _ in range(20):
    after_turn(request, turn, 0.5)
"""


@pytest.fixture(autouse=True)
def off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name no file."""
    for variable in (FILE, TEXT):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Name a file; return a function that reads its lines."""
    path = tmp_path / "new" / "telemetry.jsonl"
    monkeypatch.setenv(FILE, str(path))
    return lambda: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def talk(session: ChatSession, asked: Ask) -> None:
    stream = session.ask(asked)
    list(stream)
    session.keep(asked, stream.reply)


def test_the_package_keeps_both_contracts(lines: Lines, persona_plugins: PluginManager) -> None:
    check_turn_monitor(persona_telemetry)
    (command,) = register_chat_commands()
    check_chat_command(command)
    assert len(lines()) == 2
    assert persona_plugins.registry("register_chat_commands")["telemetry"].distribution == "persona-telemetry"


@pytest.mark.parametrize("variables", [{}, {FILE: ""}, {FILE: "  "}, {TEXT: "1"}])
def test_without_a_file_nothing_is_written(
    tiny_chat: ChatSession, empty_folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    talk(tiny_chat, Ask(QUESTION))
    assert list(empty_folder.iterdir()) == []
    assert tiny_chat.notes == []


def test_a_chat_leaves_one_line_a_turn_that_says_what_its_receipt_says(tiny_chat: ChatSession, lines: Lines) -> None:
    tiny_chat.set_personas({"sage": 0.5, "trickster": 0.3})
    talk(tiny_chat, Ask(QUESTION))
    tiny_chat.set_personas({})
    talk(tiny_chat, Ask("And now?", replacing=True))
    first, second = lines()
    receipt = tiny_chat.conversation.turns[0].receipt
    assert list(first) == list(second) == KEYS
    assert first["personas"] == {"sage": 0.5, "trickster": 0.3}
    assert (first["strength"], first["safety"], first["reply_tokens"]) == (1.0, "on", 4)
    assert isinstance(first["floor_hits"], int)
    assert set(first["projections"]) == {"assistant", "safety"}
    assert (second["personas"], second["safety"], second["floor_hits"]) == ({}, "not needed", None)
    assert (second["seed"], second["prompt_tokens"]) == (receipt.seed, receipt.prompt_tokens)
    assert [line["session"] for line in (first, second)] == [tiny_chat.name] * 2
    assert [line["model"] for line in (first, second)] == ["tiny"] * 2
    assert [line["replaced"] for line in (first, second)] == [False, True]
    assert all(0 < line["seconds"] < 60 for line in (first, second))
    assert datetime.fromisoformat(first["time"]).tzinfo is not None


def test_the_figures_are_those_of_the_receipt_and_the_means_of_the_projections(lines: Lines) -> None:
    ((request, turn), _) = example_turns()
    after_turn(request, turn, 1.23456)
    (line,) = lines()
    assert line["projections"] == {"assistant": 1.25, "safety": 0.5}
    assert (line["floor_hits"], line["seconds"], line["seed"], line["prompt_tokens"]) == (3, 1.235, 7, 12)


@pytest.mark.parametrize("setting", [None, "", "0", "yes", "1"])
def test_words_are_written_for_one_setting_alone(
    lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None
) -> None:
    if setting is not None:
        monkeypatch.setenv(TEXT, setting)
    for request, turn in example_turns():
        after_turn(request, turn.model_copy(update={"text": "Über 賢者\n"}), 0.5)
    whole = (tmp_path / "new" / "telemetry.jsonl").read_text(encoding="utf-8")
    if setting == "1":
        assert [(line["question"], line["reply"]) for line in lines()] == [("What is fire?", "Über 賢者\n")] * 2
    else:
        assert all(list(line) == KEYS for line in lines())
        assert not any(word in whole for word in ("fire", "Über", "賢者"))


def test_a_file_that_cannot_be_written_is_one_note_and_the_chat_goes_on(
    tiny_chat: ChatSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE, str(tmp_path))
    for _ in range(2):
        talk(tiny_chat, Ask(QUESTION))
    assert len(tiny_chat.conversation.turns) == 2
    (note,) = tiny_chat.notes
    assert "persona-telemetry: after_turn raised WorkspaceError: cannot write" in note
    assert str(tmp_path) in note


@pytest.mark.slow
def test_no_connection_is_opened(lines: Lines) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GUARDED], capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == ["guarded", "[]", "[]"]
    assert done.stdout.splitlines()[3].startswith("persona-telemetry telemetry: one line a turn in ")
    assert [line["session"] for line in lines()] == ["example"] * 2


@pytest.mark.slow
def test_two_processes_append_to_one_file(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TEXT, "1")
    started = [subprocess.Popen([sys.executable, "-c", APPENDS, letter]) for letter in "ab"]
    assert [process.wait(120) for process in started] == [0, 0]
    assert sorted(line["reply"] for line in lines()) == ["a" * 20_001] * 20 + ["b" * 20_001] * 20


def test_the_command_says_where_telemetry_goes_or_that_it_is_off(
    tiny_chat: ChatSession, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert telemetry(tiny_chat, "") == f"telemetry is off: set {FILE} to the name of a file before the chat starts"
    monkeypatch.setenv(FILE, "lines.jsonl")
    assert f"in {empty_folder / 'lines.jsonl'}, without question and reply" in telemetry(tiny_chat, "")
    monkeypatch.setenv(TEXT, "1")
    assert "with question and reply; nothing leaves this machine" in telemetry(tiny_chat, "")
    with pytest.raises(SteeringError, match="takes nothing"):
        telemetry(tiny_chat, "on")


def test_the_readme_lists_every_key_that_is_written() -> None:
    readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    assert [key for key in (*KEYS, "question", "reply") if f"| `{key}` |" not in readme] == []
