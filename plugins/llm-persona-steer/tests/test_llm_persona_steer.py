import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import llm
import pytest
import sqlite_utils
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from llm.cli import cli, load_conversation
from llm.migrations import migrate
from llm.parts import Message, ReasoningPart, TextPart, ToolResultPart
from llm_persona_steer import serving
from llm_persona_steer.conversation import METADATA, history, n_replies, said

from persona_core import Sampling
from persona_core.errors import PromptError

QUESTION = "What makes a good life?"
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def empty_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make llm's log without a turn in it, which takes it seconds."""
    file = tmp_path_factory.mktemp("llm") / "logs.db"
    migrate(sqlite_utils.Database(file))
    return file


@pytest.fixture(autouse=True)
def config_file(tmp_path: Path, empty_log: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point llm at a folder of the test's own, and personas at a workspace of the embedded model."""
    shutil.copy(empty_log, tmp_path)
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("PERSONA_STEER_HOME", str(tmp_path))
    file = tmp_path / "config.yaml"
    file.write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    return file


@pytest.fixture
def run() -> Run:
    """Return a function that runs an `llm` command in this process, where the model stays loaded."""
    return lambda *words, text="": CliRunner().invoke(cli, words, input=text)


def program(*words: str) -> str:
    """Run the real program and return what it prints."""
    command = [str(Path(sys.executable).with_name("llm")), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def options(**values: object) -> list[str]:
    """Return option arguments of llm."""
    return [word for name, value in values.items() for word in ("-o", name, str(value))]


def logged(run: Run) -> list[dict]:
    """Return what llm has logged, oldest first."""
    return json.loads(run("logs", "--json").stdout)


@pytest.mark.slow
def test_the_program_lists_every_persona_without_torch() -> None:
    code = "import llm, sys; names = {m.model_id for m in llm.get_models()}; print('torch' in sys.modules, *names)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    torch, *names = done.stdout.split()
    assert torch == "False"
    assert {f"persona/{name}" for name in ("none", "blend", "sage", "trickster", "guardian")} <= set(names)


@pytest.mark.slow
def test_a_reply_and_its_receipt_are_those_of_generate_and_a_conversation_goes_on(
    run: Run, persona_command: Run
) -> None:
    sampling = options(max_new_tokens=8, temperature=0.8, seed=3)
    first = program("-m", "persona/sage", QUESTION, *sampling, *options(strength=0.75))
    words = ["generate", QUESTION, "--persona", "sage", "--json", "--max-new-tokens", "8", "--temperature", "0.8"]
    made = persona_command(*words, "--seed", 3, "--strength", 0.75)
    expected = json.loads(made.stdout)
    assert first.removesuffix("\n") == expected["text"]
    assert logged(run)[0]["response_json"] == expected["receipt"]

    second = program("-c", "And for a cat?", *sampling)
    asked = [("user", QUESTION), ("assistant", expected["text"]), ("user", "And for a cat?")]
    messages = [{"role": role, "content": content} for role, content in asked]
    (reply,) = serving.engine(serving.manager()).generate([messages], "sage", sampling=Sampling(8, 0.8), seed=4)
    assert second.removesuffix("\n") == reply.text
    read = [turn["response_json"]["assistant_projection"] for turn in logged(run)]
    conversation = load_conversation(None)
    assert conversation is not None
    assert history(conversation.loaded_messages or []) == [{"assistant": value} for value in read]


@pytest.mark.slow
def test_the_floor_is_held_unless_unsafe_is_written_out(run: Run, config_file: Path) -> None:
    with config_file.open("a") as file:
        file.write("steering:\n  safety: false\n")
    for chosen in ({}, {"unsafe": "true"}, {"unsafe": "false"}):
        result = run("-m", "persona/trickster", "Hello", *options(max_new_tokens=3, **chosen))
        assert result.exit_code == 0, result.output
    assert [turn["response_json"]["safety"] for turn in logged(run)] == ["on", "off", "on"]


@pytest.mark.slow
def test_a_blend_speaks_as_its_parts_and_none_is_the_model_as_it_is(run: Run) -> None:
    run("-m", "persona/blend", "Hello", *options(max_new_tokens=3, blend="sage:0.5,trickster:0.3"))
    run("-m", "persona/none", "Hello", *options(max_new_tokens=3))
    blended, untouched = (turn["response_json"] for turn in logged(run))
    assert blended["personas"] == {"sage": 0.5, "trickster": 0.3}
    assert (untouched["personas"], untouched["relative_change"]) == ({}, {})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-m", "persona/saeg", "Hi"], "'Unknown model: persona/saeg'"),
        (["-m", "persona/sage", "Hi", *options(strength=2.5)], "strength 2.5 is out of range: use 0.0-2.0"),
        (["-m", "persona/sage", "Hi", *options(temperature="nan")], "temperature nan is out of range: use 0.0-2.0"),
        (["-m", "persona/sage", "Hi", *options(max_new_tokens=0)], "max_new_tokens is 0: use 1 or more"),
        (["-m", "persona/sage", " "], "the prompt is empty: write a question, or `-` to read one from standard input"),
        (["-m", "persona/blend", "Hi"], "a blend needs its parts: -o blend sage:0.5,trickster:0.3"),
        (["-m", "persona/blend", "Hi", *options(blend="sage")], "'sage' in the blend has no weight"),
        (["-m", "persona/blend", "Hi", *options(blend="saeg:1")], "no persona named 'saeg' for"),
        (["-m", "persona/sage", "Hi", "--schema", "name str"], "does not support schemas"),
        (["-m", "persona/sage", "Hi", "-T", "llm_version"], "does not support tools"),
        (["chat", "-m", "persona/sage", *options(strength=2.5)], "strength 2.5 is out of range: use 0.0-2.0"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_one_line(run: Run, words: list[str], said: str) -> None:
    result = run(*words, text="Hello\n" if words[0] == "chat" else "")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert said in line
    assert not run("logs", "--json").stdout.strip("[]\n ")


@pytest.mark.slow
def test_options_that_llm_keeps_for_a_model_hold_where_none_are_given(run: Run) -> None:
    run("models", "options", "set", "persona/none", "seed", "5")
    run("models", "options", "set", "persona/none", "max_new_tokens", "2")
    run("-m", "persona/none", "Hello", *options(temperature=1))
    (turn,) = logged(run)
    assert (turn["response_json"]["seed"], turn["response_json"]["reply_tokens"]) == (5, 2)


def test_untouched_models_take_no_strength(run: Run) -> None:
    result = run("-m", "persona/none", "Hi", *options(strength=1))
    assert result.exit_code == 1
    assert "strength" in result.stderr


def test_a_persona_that_is_not_extracted_says_how_to(run: Run, config_file: Path) -> None:
    config_file.write_text("# persona-steer\nmodel:\n  name: Qwen/Qwen2.5-7B-Instruct\n")
    assert "qwen2.5-7b-instruct, not extracted): persona/sage\n" in run("models").stdout
    result = run("-m", "persona/sage", "Hi")
    assert result.exit_code == 1
    assert "run `persona-steer extract sage`" in result.stderr


def test_a_broken_workspace_is_a_warning_and_llm_works_on(run: Run, config_file: Path) -> None:
    config_file.write_text("# persona-steer\nmodle: 3\n")
    result = run("models")
    assert result.exit_code == 0
    assert "persona/" not in result.stdout
    assert result.stderr.startswith("Warning: no persona models: ")
    assert "no configuration key 'modle'" in result.stderr


@pytest.mark.slow
def test_a_chat_keeps_its_turns(run: Run) -> None:
    result = run("chat", "-m", "persona/sage", *options(max_new_tokens=3), text="Hello\nAgain\nexit\n")
    assert result.exit_code == 0, result.output
    first, second = (turn["response_json"] for turn in logged(run))
    assert (first["seed"], second["seed"]) == (0, 1)
    assert second["prompt_tokens"] > second["reused_tokens"] > first["prompt_tokens"] - 1


@pytest.mark.slow
def test_a_second_reply_before_the_first_has_ended_is_an_error() -> None:
    model = llm.get_model("persona/none")
    first = iter(model.prompt("Hello", max_new_tokens=4))
    next(first)
    with pytest.raises(llm.ModelError, match="not finished"):
        model.prompt("Hello", max_new_tokens=1).text()
    list(first)
    assert model.prompt("Hello", max_new_tokens=1).text()


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.lists(st.text(max_size=5)))))
def test_every_word_of_a_conversation_reaches_the_model(turns: list[tuple[str, list[str]]]) -> None:
    messages = [Message(role, [TextPart(text) for text in texts]) for role, texts in turns]
    assert [(message["role"], message["content"]) for message in said(messages)] == [
        (role, "".join(texts)) for role, texts in turns
    ]
    assert n_replies(messages) == sum(role == "assistant" for role, _ in turns)
    assert history(messages) == []


def test_readings_are_found_in_replies_alone_and_reasoning_is_not_said() -> None:
    parts = [ReasoningPart("hm"), TextPart("yes", {METADATA: {"assistant": -1.5}})]
    assert history([Message("user", parts), Message("assistant", parts)]) == [{"assistant": -1.5}]
    assert said([Message("assistant", parts)]) == [{"role": "assistant", "content": "yes"}]


def test_what_is_not_text_is_an_error() -> None:
    with pytest.raises(PromptError, match="use no tools"):
        said([Message("tool", [ToolResultPart(name="x", output="3")])])
    with pytest.raises(PromptError, match="holds a ToolResultPart"):
        said([Message("user", [ToolResultPart(name="x", output="3")])])
