"""Monitors are told of every turn, change nothing, and cost a chat one note where they fail; real distributions."""

import io
import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from importlib.metadata import Distribution
from pathlib import Path
from types import SimpleNamespace

import pytest

from persona_core import SteeringEngine, hookimpl
from persona_core.chat.ask import Ask
from persona_core.chat.conversation import Turn
from persona_core.chat.monitors import TurnMonitors
from persona_core.chat.session import ChatSession, ChatSettings
from persona_core.cli.chat.editor import PipeEditor
from persona_core.cli.chat.loop import Loop
from persona_core.cli.chat.registry import all_commands
from persona_core.cli.chat.screen import PlainScreen
from persona_core.errors import SteeringError
from persona_core.model.decoding import Sampling
from persona_core.plugins.loading import load_plugins
from persona_core.testing import check_turn_monitor, example_turns

Install = Callable[..., Distribution]
WATCH = """
import json
from pathlib import Path
from persona_core import hookimpl

def write(kind, **fields):
    with Path({path!r}).open("a") as file:
        file.write(json.dumps([kind, fields]) + "\\n")

@hookimpl
def before_turn(request):
    write("before", **request.model_dump())

@hookimpl
def after_turn(seconds, turn, request):
    came = {{"seconds": seconds, "text": turn.text, "receipt": turn.receipt.model_dump(mode="json")}}
    write("after", **came, **request.model_dump())
"""
FAILS = """
import threading
from persona_core import hookimpl

@hookimpl
def {hook}():
    {does}
"""
MEDDLES = """
from persona_core import hookimpl

@hookimpl
def before_turn(request):
    request.personas["trickster"] = 2.0

@hookimpl
def after_turn(request, turn):
    request.personas.clear()
    turn.receipt.personas.clear()
    turn.projections.clear()
"""


def new_session(engine: SteeringEngine, found: Sequence[Distribution]) -> ChatSession:
    """Return a session in which these distributions are installed."""
    manager = type(engine.manager)(engine.manager.config, plugins=load_plugins(installed=found))
    loaded: Future[SteeringEngine] = Future()
    loaded.set_result(engine)
    return ChatSession(manager, loaded, ChatSettings({}, 1.0, True, Sampling(3, 1.0)))


def talk(session: ChatSession, asked: Ask | None = None) -> Turn:
    asked = asked or Ask("What is fire?")
    stream = session.ask(asked)
    list(stream)
    return session.keep(asked, stream.reply)


def told(path: Path) -> list[tuple[str, dict[str, object]]]:
    """Return what a watching package has written."""
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_monitor_is_told_what_is_asked_for_and_what_came_of_it(
    install: Install, tiny_engine: SteeringEngine, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    session = new_session(tiny_engine, [install("persona-watch", WATCH.format(path=str(log)))])
    session.set_personas({"sage": 0.5})
    turn = talk(session)
    (first, before), (second, after) = told(log)
    assert (first, second) == ("before", "after")
    asked = {"question": "What is fire?", "messages": 1, "personas": {"sage": 0.5}, "strength": 1.0, "safety": True}
    asked |= {"seed": 0, "replacing": False}
    assert before == asked | {"session": ""}
    assert {name: after[name] for name in asked} == asked
    assert after["session"] == session.name != ""
    assert (after["text"], after["receipt"]) == (turn.text, turn.receipt.model_dump(mode="json"))
    assert 0 < float(str(after["seconds"])) < 60
    assert session.notes == []


def test_a_later_request_names_the_session_its_length_and_its_own_seed_and_strength(
    install: Install, tiny_engine: SteeringEngine, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    session = new_session(tiny_engine, [install("persona-watch", WATCH.format(path=str(log)))])
    session.set_system("Be brief.")
    talk(session)
    talk(session, Ask("And water?", strength=0.5, seed=9, replacing=False))
    talk(session, Ask("And air?", replacing=True))
    requests = [fields for kind, fields in told(log) if kind == "before"]
    assert [request["messages"] for request in requests] == [2, 4, 4]
    assert [request["session"] for request in requests] == ["", session.name, session.name]
    assert [(request["seed"], request["strength"]) for request in requests] == [(0, 1.0), (9, 0.5), (1, 1.0)]
    assert [request["replacing"] for request in requests] == [False, False, True]
    assert [request["safety"] for request in requests] == [True] * 3  # the setting, though nobody is steered


def test_a_request_that_cannot_be_served_is_told_to_nobody(
    install: Install, tiny_engine: SteeringEngine, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    session = new_session(tiny_engine, [install("persona-watch", WATCH.format(path=str(log)))])
    with pytest.raises(SteeringError):
        session.ask(Ask("Hi", strength=9))
    session.compare({"sage": {"sage": 1.0}}, "Hi")
    assert told(log) == []


FAILURES = {
    "raises": ("1 / 0", r"^plugin persona-bad: {hook} raised ZeroDivisionError: division by zero; "),
    "leaves": ("raise SystemExit(3)", r"^plugin persona-bad: {hook} raised SystemExit: 3; "),
    "returns something": ("return 'a reply'", r"^plugin persona-bad: {hook} raised PluginError: .* this one a str; "),
    "takes too long": ("threading.Event().wait(30)", r"^plugin persona-bad: {hook} took longer than 1 s; "),
}


@pytest.mark.parametrize("hook", ["before_turn", "after_turn"])
@pytest.mark.parametrize(("does", "note"), FAILURES.values(), ids=FAILURES)
def test_a_monitor_that_fails_is_one_note_and_is_not_called_again(
    install: Install, tiny_engine: SteeringEngine, tmp_path: Path, hook: str, does: str, note: str
) -> None:
    count = tmp_path / "count"
    source = FAILS.format(hook=hook, does=f"with open({str(count)!r}, 'a') as file: file.write('x')\n    {does}")
    watch = install("persona-watch", WATCH.format(path=str(tmp_path / "log")))
    session = new_session(tiny_engine, [install("persona-bad", source), watch])
    turns = [talk(session) for _ in range(3)]
    assert count.read_text() == "x"
    (said,) = session.notes
    assert re.match(note.format(hook=hook), said), said
    assert session.conversation.turns == turns
    assert [kind for kind, _ in told(tmp_path / "log")] == ["before", "after"] * 3


def test_a_monitor_that_would_not_run_is_a_failure(install: Install) -> None:
    (request, _), _ = example_turns()
    found = [install("persona-bad", FAILS.format(hook="before_turn", does="yield"))]
    (note,) = TurnMonitors(load_plugins(installed=found)).before(request)
    assert "a monitor returns nothing, and this one a generator" in note


def test_the_other_hook_of_a_package_that_failed_is_not_called_either(
    install: Install, tiny_engine: SteeringEngine, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    source = WATCH.format(path=str(log)).replace('    write("before"', '    1 / 0\n    write("before"')
    session = new_session(tiny_engine, [install("persona-half", source)])
    talk(session)
    assert told(log) == []
    assert len(session.notes) == 1


def test_the_chat_shows_the_note_once_and_goes_on(
    install: Install,
    tiny_engine: SteeringEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [
        install(f"persona-{hook}", FAILS.format(hook=f"{hook}_turn", does="1 / 0")) for hook in ("before", "after")
    ]
    session = new_session(tiny_engine, found)
    monkeypatch.setattr("sys.stdin", io.StringIO("What is fire?\nAnd water?\n"))
    Loop(session, all_commands(load_plugins(installed=[])), PlainScreen(), PipeEditor()).run()
    shown = capsys.readouterr()
    notes = [line.split(" raised ")[0] for line in (shown.out + shown.err).splitlines() if line.startswith("Note: ")]
    assert notes == ["Note: plugin persona-before: before_turn", "Note: plugin persona-after: after_turn"]
    assert len(session.conversation.turns) == 2


def test_another_session_calls_a_monitor_anew(install: Install, tiny_engine: SteeringEngine) -> None:
    bad = install("persona-bad", FAILS.format(hook="before_turn", does="1 / 0"))
    for _ in range(2):
        session = new_session(tiny_engine, [bad])
        talk(session)
        assert len(session.notes) == 1


def test_a_monitor_that_meddles_changes_nothing(install: Install, tiny_engine: SteeringEngine, tmp_path: Path) -> None:
    found = [install("persona-a", MEDDLES), install("persona-b", WATCH.format(path=str(tmp_path / "log")))]
    watched, alone = new_session(tiny_engine, found), new_session(tiny_engine, [])
    for session in (watched, alone):
        session.set_personas({"sage": 0.5})
    first, second = talk(watched), talk(alone)
    assert (first.text, first.projections, first.vectors) == (second.text, second.projections, second.vectors)
    assert first.receipt.personas == {"sage": 0.5}
    assert [fields["personas"] for _, fields in told(tmp_path / "log")] == [{"sage": 0.5}] * 2


def test_where_nobody_watches_nothing_is_made(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine, [])
    assert not session.monitors.any
    talk(session)
    assert session.monitors.asked is None


def test_a_hook_with_an_argument_that_it_does_not_have_is_a_broken_package(install: Install) -> None:
    source = "from persona_core import hookimpl\n@hookimpl\ndef before_turn(reply):\n    pass\n"
    plugins = load_plugins(installed=[install("persona-bad", source)])
    assert [(failure.distribution, failure.where) for failure in plugins.failures] == [("persona-bad", "plugin")]


def test_packages_are_told_sorted_by_name(install: Install, tmp_path: Path) -> None:
    found = [install(name, FAILS.format(hook="before_turn", does="1 / 0")) for name in ("persona-b", "persona-a")]
    (request, _), _ = example_turns()
    for order in (found, found[::-1]):
        notes = TurnMonitors(load_plugins(installed=order)).before(request)
        assert [note.split(":")[0] for note in notes] == ["plugin persona-a", "plugin persona-b"]


def test_the_check_rejects_what_fails_and_what_is_no_monitor() -> None:
    def fails(turn: Turn) -> None:
        raise ValueError("no licence")

    check_turn_monitor(SimpleNamespace(before_turn=hookimpl(lambda request: None)))
    with pytest.raises(AssertionError, match="after_turn raised ValueError: no licence"):
        check_turn_monitor(SimpleNamespace(after_turn=hookimpl(fails)))
    with pytest.raises(AssertionError, match="no before_turn or after_turn"):
        check_turn_monitor(SimpleNamespace(before_turn=lambda request: None))
