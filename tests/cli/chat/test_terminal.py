"""The chat in a real pseudo-terminal, on the embedded model: typed, pasted, interrupted, killed and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from terminals import CTRL_C, Terminal

from persona_core.cli.chat.registry import all_commands
from persona_core.plugins.loading import load_plugins

PASTE = "\x1b[200~{}\x1b[201~"
ALT_ENTER = "\x1b\r"
QUICK = ("--max-new-tokens", "12", "--temperature", "0")
CONTEXT = 256
CACHE_BYTES = 30 * 2 * 3 * 64 * 4
"""Of a token in the embedded model's cache: layers, keys and values, heads, width, float32."""
TALK = (
    ("/list", r"sage .* trickster "),
    ("/help retry", r"With a strength the seed stays"),
    ("/persona trickster", r"persona trickster; strength 1, guidance 2; safety on; 0 turns"),
    ("/blend sage:0.5,trickster:0.3", r"persona sage 0.5 \+ trickster 0.3"),
    ("/seed 7", r"seed 7"),
    ("/temperature 0.5", r"temperature 0.5"),
    ("/system Be brief.", r"Be brief\."),
    ("/prompt with", r"with its system prompt"),
    ("What is fire?", r"\[sage 0.5 \+ trickster 0.3 at strength 1, guidance 2: .*floor held"),
    ("/prompt off", r"safety on; 1 turn"),
    ("/none", r"persona none; strength 1, guidance 2; safety on; 1 turn"),
    ("And water?", r"\[unsteered, \d+ tokens"),
    ("/persona sage", r"persona sage; strength 1, guidance 2; safety on; 2 turns"),
    ("/guidance 3", r"strength 1, guidance 3; safety on; 2 turns"),
    ("/guidance 0", r"strength 1; safety on; 2 turns"),
    ("/strength 0.8", r"strength 0.8; safety on; 2 turns"),
    ("/retry", r"\[sage at strength 0.8"),
    ("/retry 0.4", r"\[sage at strength 0.4"),
    ("/edit And air?", r"\[sage at strength 0.8"),
    ("/why", r"safety axis, token by token"),
    ("/drift", r"assistant axis, turn by turn .* 1 .* 2 "),
    ("/compare", r"┃ sage +┃ none"),
    ("/stats", r"words/turn .*sage "),
    ("/save mine", r"saved as .*mine\.jsonl"),
    ("/undo", r"taken back: And air\?"),
    ("/export talk.md", r"wrote talk\.md"),
    ("/clear", r"begins anew"),
    ("/load mine", r"mine: persona sage; strength 0.8; safety on; 1 turn"),
    ("/safety on", r"safety on; 1 turn"),
    ("/status", r"seed 7, temperature 0.5; system prompt 'Be brief\.'"),
)
"""Lines typed one after the other in one chat, and what the screen says to each."""
ELSEWHERE = {"create", "edit", "quit", "safety", "telemetry"}
"""Commands that tests of their own are about."""


@pytest.fixture(autouse=True)
def home(workspace_folder: Path, model: object) -> Path:
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    return workspace_folder


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    chat = Terminal("--persona", "sage", *QUICK)
    yield chat
    chat.close()


def turns(home: Path) -> list[dict[str, object]]:
    """Return the turns of the newest session's file."""
    (newest, *_) = sorted((home / "conversations").glob("*.jsonl"), key=lambda path: -path.stat().st_mtime)
    lines = [json.loads(line) for line in newest.read_text().splitlines()]
    return [line for line in lines if line["kind"] == "turn"]


def test_a_chat_from_the_first_line_to_the_last(terminal: Terminal, home: Path) -> None:
    terminal.expect("smollm2, loading; persona sage; strength 1, guidance 2; safety on")
    terminal.send("What is fire?")
    terminal.expect(r"\[sage at strength 1, guidance 2: .*floor held")
    assert len(turns(home)) == 1
    terminal.send("/why")
    terminal.expect("how far each layer was moved")
    terminal.expect("safety axis, token by token")
    terminal.send("/drift")
    terminal.expect("assistant axis, turn by turn")
    terminal.send("/strength 0.5")
    terminal.expect("strength 0.5, guidance 2; safety on; 1 turn")
    terminal.send("/compare sage,none: What is water?")
    terminal.expect("┃ sage +┃ none")
    terminal.send("/stats")
    terminal.expect("words/turn")
    assert terminal.leave() == 0


def test_every_command(terminal: Terminal, home: Path) -> None:
    tried = {line[1:].split()[0] for line, _ in TALK if line.startswith("/")}
    assert set(all_commands(load_plugins())) - tried - ELSEWHERE == set()
    for line, answer in TALK:
        terminal.expect(r"> ")
        terminal.send(line)
        terminal.expect(answer)
    assert "And water?" not in (home / "talk.md").read_text()
    terminal.send("/quit")
    assert terminal.ended() == 0


def test_edit_puts_the_question_into_the_line(terminal: Terminal, home: Path) -> None:
    terminal.expect("/help lists the commands")
    terminal.send("What is fir")
    terminal.expect(r"\[sage at strength 1")
    terminal.send("/edit")
    terminal.expect("> What is fir")
    terminal.type(CTRL_C)
    terminal.expect("Ctrl-D or /quit leaves")
    terminal.send("/edit")
    terminal.expect("> What is fir")
    terminal.send("e?")
    terminal.expect(r"\[sage at strength 1")
    assert [turn["user"] for turn in turns(home)] == ["What is fir", "What is fire?"]
    terminal.send("/status")
    terminal.expect("1 turn")


def test_completion_and_a_misspelt_command(terminal: Terminal) -> None:
    terminal.expect("/help lists the commands")
    terminal.type("/per")
    terminal.expect("speak as a persona")
    terminal.type("\t")
    terminal.expect("A playful, irreverent joker")
    terminal.send("t\t")
    terminal.expect("persona trickster; strength 1")
    terminal.send("/strenght 1")
    terminal.expect(r"did you mean /strength\?")
    terminal.send("/persona sagee")
    terminal.expect("did you mean 'sage'")


def test_pasted_lines_do_not_send_themselves(terminal: Terminal, home: Path) -> None:
    terminal.expect("/help lists the commands")
    terminal.type(PASTE.format("first line\nsecond line\n"))
    time.sleep(1)
    terminal.type("third" + ALT_ENTER + "fourth")
    time.sleep(0.5)
    assert not (home / "conversations").exists()
    terminal.type("\r")
    terminal.expect(r"\[sage at strength 1")
    assert turns(home)[0]["user"] == "first line\nsecond line\nthird\nfourth"


def test_a_sign_is_shown_until_the_first_token(terminal: Terminal) -> None:
    terminal.expect("/help lists the commands")
    terminal.send("What is fire?")
    terminal.expect(r"loading the model…")
    terminal.expect(r"smollm2 on cpu in float32; floor p10 in layers 19-27")
    terminal.expect(r"reading \d\d tokens…")
    terminal.expect(r"\[sage at strength 1")


def test_ctrl_c_before_and_within_a_reply(home: Path) -> None:
    chat = Terminal("--persona", "sage", "--max-new-tokens", "2000", "--temperature", "0")
    try:
        chat.expect("/help lists the commands")
        chat.send("What is fire?")
        chat.expect("loading the model")
        chat.type(CTRL_C)
        chat.expect("Ctrl-D or /quit leaves")
        chat.send("Tell me a very long story about a lighthouse.")
        chat.expect(r"tokens/s")
        time.sleep(1)
        chat.type(CTRL_C)
        chat.expect(r"\[sage at strength 1, guidance 2: \d+ tokens steered")
        (kept,) = turns(home)
        assert kept["receipt"]["finish"] == "stopped"  # type: ignore[index]
        assert kept["text"]
        chat.send("/status")
        chat.expect("1 turn")
        assert chat.leave() == 0
    finally:
        chat.close()


def test_ctrl_c_within_create_keeps_what_is_done(terminal: Terminal, home: Path) -> None:
    terminal.expect("/help lists the commands")
    terminal.send('/create pirate "a grumpy pirate captain who loves the sea"')
    terminal.expect("pirate: replies", 120)
    terminal.type(CTRL_C)
    terminal.expect("Ctrl-D or /quit leaves")
    assert (home / "archetypes" / "pirate.yaml").is_file()
    terminal.send('/create pirate "a grumpy pirate captain who loves the sea"')
    terminal.expect("pirate: replies", 120)
    terminal.type(CTRL_C)
    terminal.expect("Ctrl-D or /quit leaves")
    terminal.send("What is fire?")
    terminal.expect(r"\[sage at strength 1")


def killed_chat(home: Path) -> None:
    """Hold a chat of one turn, and kill it."""
    chat = Terminal("--persona", "sage", *QUICK)
    chat.expect("/help lists the commands")
    chat.send("What is fire?")
    chat.expect(r"\[sage at strength 1")
    os.kill(chat.process.pid, signal.SIGKILL)
    chat.close()


def test_after_a_kill_the_next_chat_offers_to_go_on(home: Path) -> None:
    killed_chat(home)
    again = Terminal("--persona", "sage", *QUICK)
    try:
        again.expect(r"was cut short\. Go on with it")
        again.send("y")
        again.expect("> What is fire")
        again.send("And water?")
        again.expect(r"\[sage at strength 1")
        assert [turn["user"] for turn in turns(home)] == ["What is fire?", "And water?"]
        assert again.leave() == 0
    finally:
        again.close()


def test_after_a_kill_a_message_typed_ahead_is_answered_in_a_new_chat(home: Path) -> None:
    killed_chat(home)
    again = Terminal("--persona", "sage", *QUICK)
    try:
        again.type("What is water?\r")
        again.expect(r"was cut short\. Go on with it")
        again.expect(r"\[sage at strength 1")
        assert [turn["user"] for turn in turns(home)] == ["What is water?"]
        again.send("y")
        again.expect(r"\[sage at strength 1")
        assert [turn["user"] for turn in turns(home)] == ["What is water?", "y"]
    finally:
        again.close()


def test_safety_off_wants_the_word(terminal: Terminal) -> None:
    terminal.expect("/help lists the commands")
    terminal.send("/safety off")
    terminal.expect("Type unsafe to go on")
    terminal.send("no")
    terminal.expect("nothing is changed")
    terminal.send("/safety off")
    terminal.expect("Type unsafe to go on")
    terminal.send("unsafe")
    terminal.expect("safety OFF")
    terminal.send("What is fire?")
    terminal.expect("safety off")


def test_forty_columns_and_a_resize(home: Path) -> None:
    chat = Terminal("--persona", "sage", *QUICK, columns=40)
    try:
        chat.send("What is fire?")
        chat.expect(r"\[sage at strength 1")
        chat.resize(120)
        os.killpg(os.getpgid(chat.process.pid), signal.SIGWINCH)
        chat.send("/drift")
        chat.expect("assistant axis, turn by turn")
        chat.resize(40)
        chat.send("/compare sage,none: Hi")
        chat.expect("─ none ─")
        assert chat.leave() == 0
    finally:
        chat.close()


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=["dumb", "no colour"])
def test_a_dumb_terminal_and_one_without_colour(home: Path, environment: dict[str, str]) -> None:
    chat = Terminal("--persona", "sage", *QUICK, **environment)
    try:
        chat.expect("/help lists the commands")
        chat.send("What is fire?")
        chat.expect(r"\[sage at strength 1")
        assert chat.leave() == 0
    finally:
        chat.close()


def test_a_pipe_in_and_out_is_text_alone(home: Path) -> None:
    lines = "What is fire?\n/status\n/safety off\n/edit\n/quit\n"
    words = [sys.executable, "-m", "persona_core.cli", "chat", "--persona", "sage", *QUICK]
    done = subprocess.run(words, input=lines, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "reading" not in done.stdout + done.stderr
    assert done.stderr.startswith(
        "smollm2 on cpu in float32; floor p10 in layers 19-27; persona sage; strength 1, guidance 2;"
    )
    assert "persona sage; strength 1, guidance 2; safety on; 1 turn" in done.stdout
    assert "start the chat with --allow-unsafe" in done.stderr
    assert "/edit takes the new text" in done.stderr


def test_two_hundred_turns_take_no_more_memory_than_the_context(home: Path) -> None:
    """Every turn asks something else, so that the context fills and is trimmed many times over.

    A cache that is kept and never dropped, or a graph that holds on to one, would take its size again every turn.
    """
    config = home / "config.yaml"
    config.write_text(f"{config.read_text()}  context: {CONTEXT}\n")
    words = [sys.executable, "-m", "persona_core.cli", "chat", "--persona", "sage", "--max-new-tokens", "4"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, text=True) as chat:
        held = [memory_after(chat, f"What is the number {turn}?") for turn in range(200)]
        chat.communicate()
    assert chat.returncode == 0
    assert len(turns(home)) == 200
    assert max(held) - held[20] < 2 * CONTEXT * CACHE_BYTES


def memory_after(chat: "subprocess.Popen[str]", question: str) -> int:
    """Ask, wait for the receipt, and return the resident memory in bytes."""
    assert chat.stdin is not None
    assert chat.stderr is not None
    chat.stdin.write(f"{question}\n")
    chat.stdin.flush()
    while "[sage at strength 1" not in (line := chat.stderr.readline()):
        assert line, f"the chat has ended: {chat.wait()}"
        assert "Error" not in line, line
    return int(psutil.Process(chat.pid).memory_info().rss)


def test_a_session_goes_on_by_name_with_the_system_prompt_that_is_given(home: Path) -> None:
    words = [sys.executable, "-m", "persona_core.cli", "chat", *QUICK]

    def pipe(*options: str, lines: str) -> str:
        done = subprocess.run([*words, *options], input=lines, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    pipe("--persona", "sage", "--safety", "off", "--allow-unsafe", lines="What is fire?\n/save mine\n")
    (turn,) = turns(home)
    assert turn["receipt"]["safety"] == "off"  # type: ignore[index]
    said = pipe("--resume", "mine", "--system", "Be brief.", lines="/status\n")
    assert "it goes on as sage at strength 1" in said
    assert "persona sage; strength 1, guidance 2; safety on; 1 turn" in said
    assert "system prompt 'Be brief.'" in said


def test_what_was_typed_in_an_earlier_chat_is_found_again(home: Path) -> None:
    for keys in ("", "\x1b[A", "\x12stren"):
        chat = Terminal(*QUICK)
        try:
            chat.expect("/help lists the commands")
            chat.expect("> ")
            if keys:
                chat.type(keys)
                chat.expect("strength 0.7")
            else:
                chat.send("/strength 0.7")
                chat.expect("strength 0.7, guidance 2; safety on")
                assert chat.leave() == 0
        finally:
            chat.close()
