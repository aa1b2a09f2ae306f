"""`generate` with more than one reply, on the embedded model: side by side, several seeds, many prompts in order."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from persona_core.cli import build_cli
from persona_core.plugins.loading import load_plugins

QUICK = ("--max-new-tokens", "8")
Run = Callable[..., Result]


@pytest.fixture
def run(workspace_folder: Path, model: object) -> Run:
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    cli = build_cli(load_plugins())

    def invoke(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["generate", *words], input=stdin)

    return invoke


def test_compare_shows_each_persona_under_its_name_with_one_seed(run: Run) -> None:
    found = run("What is fire?", "--compare", "sage,none", *QUICK)
    assert found.exit_code == 0, found.output
    assert found.stdout.index("[sage]") < found.stdout.index("[none]")
    both = json.loads(run("What is fire?", "--compare", "sage,none", "--json", *QUICK).stdout)
    assert [reply["receipt"]["personas"] for reply in both] == [{"sage": 1.0}, {}]
    assert [reply["receipt"]["seed"] for reply in both] == [0, 0]
    alone = json.loads(run("What is fire?", "--persona", "sage", "--json", *QUICK).stdout)
    assert both[0]["text"] == alone["text"]


def test_n_replies_have_a_seed_each(run: Run) -> None:
    found = json.loads(run("What is fire?", "--persona", "sage", "--n", "3", "--seed", "5", "--json", *QUICK).stdout)
    assert [reply["receipt"]["seed"] for reply in found] == [5, 6, 7]
    assert len({reply["text"] for reply in found}) > 1


def test_many_prompts_come_back_in_their_order(run: Run, tmp_path: Path) -> None:
    lines = ['"What is fire?"', "", '{"prompt": "And water?", "persona": "none"}']
    lines += ['{"prompt": "And air?", "persona": "sage:0.5,trickster:0.5"}'] * 16
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(lines))
    found = run("--input", str(path), "--persona", "sage", *QUICK)
    assert found.exit_code == 0, found.output
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["prompt"] for row in rows] == ["What is fire?", "And water?", *["And air?"] * 16]
    assert [len(row["receipt"]["personas"]) for row in rows[:3]] == [1, 0, 2]
    assert "replies: 16 of 18" in found.stderr
    assert run("--input", "-", *QUICK, stdin='"What is fire?"').stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "stdin", "says"),
    [
        (("hi", "--input", "x"), None, "give a PROMPT, or --input"),
        ((), None, "give a PROMPT, or --input"),
        (("--input", "-", "--n", "2"), '"hi"', "take one PROMPT"),
        (("--input", "-"), "hi", "-, line 1: not JSON"),
        (("--input", "-"), '"hi"\n{"text": "hi"}', "-, line 2: no prompt"),
        (("--input", "-"), "", "holds no prompt"),
        (("--input", "-"), '{"prompt": "hi", "persona": "sagee"}', "did you mean 'sage'"),
        (("--input", "-"), '{"prompt": "hi", "persona": 3}', "write a name, a blend or none"),
        (("--input", "gone.jsonl"), None, "cannot read gone.jsonl"),
        (("hi", "--compare", "sage,sagee"), None, "did you mean 'sage'"),
    ],
)
def test_wrong_input_is_one_line(run: Run, words: tuple[str, ...], stdin: str | None, says: str) -> None:
    found = run(*words, stdin=stdin)
    assert found.exit_code in (1, 2)
    assert says in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_system_prompt_of_ones_own_and_the_personas_beside_steering_or_in_its_place(run: Run) -> None:
    asked = ("What is fire?", "--persona", "sage", "--json", *QUICK)
    plain, own, both, only = (
        json.loads(run(*asked, *words).stdout)["receipt"]
        for words in ((), ("--system", "Be brief."), ("--with-prompt",), ("--prompt-only",))
    )
    assert plain["prompt_tokens"] != own["prompt_tokens"]
    assert both["prompt_tokens"] == only["prompt_tokens"] > own["prompt_tokens"]
    assert [bool(receipt["personas"]) for receipt in (plain, own, both, only)] == [True, True, True, False]
    assert "not both" in run(*asked, "--with-prompt", "--prompt-only").output
