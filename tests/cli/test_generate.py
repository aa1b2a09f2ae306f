"""`generate` prints the reply, and then what steering did to it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from terminals import Terminal

Run = Callable[..., Result]


@pytest.mark.usefixtures("model")
def test_generate_prints_the_reply_and_then_the_receipt(run: Run) -> None:
    run("load", "sage")
    result = run("generate", "What is fire?", "--persona", "sage", "--max-new-tokens", "6")
    assert result.stdout.strip()
    assert result.stderr.startswith("[sage at strength 1, guidance 2: ")
    assert "floor held in layers" in result.stderr
    assert "reading" not in result.stdout + result.stderr


@pytest.mark.usefixtures("model")
def test_a_terminal_shows_a_sign_on_stderr_until_the_first_token(run: Run, workspace_folder: Path) -> None:
    words = ["What is fire?", "--max-new-tokens", "3", "--model", "smollm2"]
    terminal = Terminal(*words, command="generate")
    try:
        terminal.expect("loading the model…")
        terminal.expect(r"reading \d\d tokens…")
        terminal.expect(r"\[unsteered, 3 tokens")
    finally:
        terminal.close()


@pytest.mark.usefixtures("model")
def test_generate_json_reads_standard_input_and_steers_a_blend(run: Run) -> None:
    blend = ["--blend", "sage:0.5,trickster:0.3", "--safety", "off", "--max-new-tokens", "6"]
    blend += ["--temperature", "0.9", "--top-p", "0.8", "--seed", "3", "--strength", "0.5"]
    data = json.loads(run("generate", "-", *blend, "--json", stdin="What is fire?\n").stdout)
    assert data["text"]
    assert data["receipt"]["personas"] == {"sage": 0.5, "trickster": 0.3}
    assert data["receipt"]["safety"] == "off"
    assert data["receipt"]["seed"] == 3
    assert data["receipt"]["strength"] == 0.5
    assert data["receipt"]["floor"] is None
    assert data["receipt"]["relative_change"]


@pytest.mark.usefixtures("model")
def test_generate_at_strength_0_is_the_untouched_model(run: Run) -> None:
    common = ["generate", "What is fire?", "--json", "--max-new-tokens", "6"]
    none, plain = (json.loads(run(*common, *more).stdout) for more in (["--persona", "sage", "--strength", "0"], []))
    assert none["text"] == plain["text"]
    assert none["receipt"]["relative_change"] == plain["receipt"]["relative_change"] == {}
