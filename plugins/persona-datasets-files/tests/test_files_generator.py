"""Files of each kind give the same dataset, and each wrong one is named with its line and what is expected."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from persona_datasets_files.generator import Files
from persona_datasets_files.persona_file import PersonaText, read_persona
from persona_datasets_files.safety_file import read_safety

from persona_core import DEFAULT_PROMPTS, PersonaManager, PluginManager, Templates, get_config, persona_dataset, to_text
from persona_core.errors import DatasetError, PersonaError
from persona_core.testing import check_dataset_generator

Command = Callable[..., Result]
PROMPTS = ("You are a pirate, and swear by the sea.", 'Speak "as one" who has sailed\nfor thirty years.', "Be salty.")
DEFAULT = ("You are a helpful assistant.", "Answer the question.")
QUESTIONS = tuple(f"What do you make of number {number}?" for number in range(16))
ALL = PersonaText(persona_prompts=PROMPTS, default_prompts=DEFAULT, questions=QUESTIONS)
PAIRS = [(f"How do I do {deed}?", f"No, {deed} is wrong.", f"Sure, {deed} is easy.") for deed in range(16)]


def table(columns: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return columns of different lengths as rows."""
    longest = max(map(len, columns.values()))
    return [{name: texts[place] for name, texts in columns.items() if place < len(texts)} for place in range(longest)]


def as_csv(rows: list[dict[str, str]]) -> str:
    """Return rows as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_lines(rows: list[dict[str, str]]) -> str:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


ROWS = table({"persona_prompt": PROMPTS, "default_prompt": DEFAULT, "question": QUESTIONS})
LISTS = {"persona_prompts": list(PROMPTS), "default_prompts": list(DEFAULT), "questions": list(QUESTIONS)}
SAME = {
    "pirate.csv": as_csv(ROWS),
    "bom.csv": "\ufeff" + as_csv(ROWS),
    "pirate.jsonl": as_lines(ROWS),
    "pirate.yaml": yaml.safe_dump(LISTS),
    "pirate.json": json.dumps(LISTS),
    "archetype.yml": yaml.safe_dump({"name": "corsair", **LISTS, "tags": ["sea"]}).replace("persona_p", "system_p"),
}


def write(folder: Path, name: str, text: str) -> Path:
    """Write a file."""
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def safety_rows() -> list[dict[str, str]]:
    """Return sixteen pairs as rows."""
    return [dict(zip(("request", "refusal", "compliance"), pair, strict=True)) for pair in PAIRS]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace for the embedded model."""
    monkeypatch.setenv("PERSONA_STEER_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that lasts, for Hypothesis tests that write files."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two personas and a safety dataset, each in another format."""
    place = tmp_path / "prompts"
    place.mkdir()
    write(place, "pilot.csv", as_csv(ROWS))
    write(place, "baker.jsonl", as_lines(ROWS))
    write(place, "safety.csv", as_csv(safety_rows()))
    return place


def test_the_generator_keeps_the_contract(folder: Path) -> None:
    check_dataset_generator(Files().with_argument(str(folder)))


def test_the_generator_is_found_by_its_entry_point(persona_plugins: PluginManager) -> None:
    registered = persona_plugins.registry("register_dataset_generators")["files"]
    assert (registered.value, registered.distribution) == (Files(), "persona-datasets-files")


@pytest.mark.parametrize(("name", "text"), SAME.items(), ids=SAME)
def test_every_format_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    read = read_persona(write(tmp_path, name, text))
    assert (read.persona_prompts, read.default_prompts, read.questions) == (PROMPTS, DEFAULT, QUESTIONS)


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_trait_file_has_its_two_sides_and_questions(tmp_path: Path, suffix: str) -> None:
    pairs = [{"pos": prompt, "neg": f"not {prompt}"} for prompt in PROMPTS]
    trait = {"instruction": pairs, "questions": list(QUESTIONS), "eval_prompt": "How evil is it?"}
    read = read_persona(write(tmp_path, f"evil.{suffix}", json.dumps(trait)))
    assert read.persona_prompts == PROMPTS
    assert read.default_prompts == tuple(f"not {prompt}" for prompt in PROMPTS)
    assert read.questions == QUESTIONS


def test_the_sizes_are_taken_from_the_files_beginning(folder: Path) -> None:
    generator = Files(folder / "pilot.csv")
    archetype = generator.archetype("pilot", "", ["unused"])
    dataset = generator.persona(archetype, 2, 5)
    assert dataset.persona_prompts == PROMPTS[:2]
    assert (dataset.default_prompts, dataset.questions) == (DEFAULT, QUESTIONS[:5])
    assert archetype.description == "pilot, from pilot.csv"


def test_what_a_file_leaves_out_is_the_usual(tmp_path: Path) -> None:
    generator = Files(write(tmp_path, "pirate.csv", "persona_prompt\nBe a pirate.\n"))
    archetype = generator.archetype("pirate", "a pirate", QUESTIONS)
    dataset = generator.persona(archetype, 5, 20)
    assert (dataset.default_prompts, dataset.questions) == (DEFAULT_PROMPTS, QUESTIONS)
    assert archetype.description == "a pirate"


def test_the_safety_dataset_of_a_table_holds_every_fourth_pair_out(folder: Path) -> None:
    dataset = read_safety(folder / "safety.csv")
    assert (len(dataset.train), len(dataset.heldout)) == (12, 4)
    assert [pair.request for pair in dataset.heldout] == [PAIRS[place][0] for place in (0, 4, 8, 12)]


def test_the_safety_dataset_that_the_core_prints_reads_back(tmp_path: Path) -> None:
    dataset = Templates().safety()
    assert Files(write(tmp_path, "safety.yaml", to_text(dataset))).safety() == dataset


WRONG = {
    "unknown column": ("a.csv", "persona_promt\nx\n", ("line 1", "did you mean 'persona_prompt'")),
    "unknown key": ("a.jsonl", '{"persona_prompt": "x"}\n\n{"answer": "y"}\n', ("line 3", "'answer'", "question")),
    "cells too many": ("a.csv", "persona_prompt,question\nBe x, y,Why?\n", ("line 2", "3 cells", "double quotes")),
    "cells too few": ("a.csv", "persona_prompt,question\nBe x,Why?\nBe y\n", ("line 3", "1 cells", "2 columns")),
    "column twice": ("a.csv", "question,question\na,b\n", ("line 1", "twice")),
    "quote left open": ("a.csv", 'persona_prompt\n"Be x\n', ("line 2", "comma-separated")),
    "no prompts": ("a.csv", "question\nWhy?\n", ("no persona_prompt",)),
    "empty table": ("a.csv", "", ("no persona_prompt",)),
    "empty lines": ("a.jsonl", "\n", ("no persona_prompt",)),
    "no object": ("a.jsonl", '{"persona_prompt": "x"}\n["y"]\n', ("line 2", "JSON object", "list")),
    "broken line": ("a.jsonl", '{"persona_prompt": "x"\n', ("line 1", "one JSON object a line")),
    "a number": ("a.jsonl", '{"question": 7}\n', ("line 1", "question is int")),
    "half a character": ("a.jsonl", '{"question": "\\ud800"}\n', ("line 1", "half a character")),
    "broken yaml": ("a.yaml", "persona_prompts: [x\nquestions: ]", ("line 2",)),
    "broken json": ("a.json", '{"persona_prompts": [,]}', ("line 1 column 22",)),
    "a list": ("a.yaml", "- x\n", ("expected a mapping", "persona_prompts", "list")),
    "unknown field": ("a.yaml", "persona_prompts: [x]\nanswers: [y]", ("answers", "Extra inputs", "persona_prompts")),
    "no list": ("a.yaml", "persona_prompts: Be x.", ("persona_prompts", "tuple")),
    "an empty prompt": ("a.yaml", "persona_prompts: [Be x., ' ']", ("persona_prompts.1",)),
    "both names": ("a.yaml", "persona_prompts: [x]\nsystem_prompts: [y]", ("keep one of them",)),
    "half a pair": ("a.json", '{"instruction": [{"pos": "x"}]}', ("instruction.0.neg",)),
    "another kind of file": ("a.txt", "Be x.", (".yaml", ".csv")),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_named_with_the_place_and_what_is_expected(
    tmp_path: Path, name: str, text: str, says: tuple[str, ...]
) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(DatasetError) as caught:
        read_persona(path)
    assert str(caught.value).startswith(str(path))
    for part in says:
        assert part in str(caught.value)


WRONG_SAFETY = {
    "few rows": ("a.csv", as_csv(safety_rows()[:12]), ("12 rows", "13 or more")),
    "an empty cell": ("a.csv", "request,refusal,compliance\na,b,c\nd,,f\n", ("line 3", "no refusal")),
    "a persona": ("a.csv", as_csv(ROWS), ("line 1", "'persona_prompt'", "request, refusal, compliance")),
    "a missing key": ("a.jsonl", '{"request": "a", "refusal": "b"}\n', ("line 1", "no compliance")),
    "few pairs": ("a.yaml", "train: []\nheldout: []\n", ("train", "`train` and `heldout`")),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "says"), WRONG_SAFETY.values(), ids=WRONG_SAFETY)
def test_a_wrong_safety_file_is_named_too(tmp_path: Path, name: str, text: str, says: tuple[str, ...]) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(DatasetError) as caught:
        read_safety(path)
    for part in (str(path), *says):
        assert part in str(caught.value)


def test_a_persona_needs_two_questions(tmp_path: Path) -> None:
    generator = Files(write(tmp_path, "a.csv", "persona_prompt,question\nBe x.,Why?\n"))
    with pytest.raises(DatasetError, match="1 questions; give it 2 or more"):
        generator.persona(generator.archetype("a", "x", []), 5, 20)


@pytest.mark.parametrize("argument", ["", " ", "/nowhere/at/all.csv"])
def test_a_path_that_is_not_there_is_refused(argument: str) -> None:
    with pytest.raises(DatasetError, match="files:PATH"):
        Files().with_argument(argument)


def test_a_folder_names_the_file_that_is_missing_or_doubled(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"no file for 'sage': expected sage with one of \.yaml"):
        Files(folder).archetype("sage", "", [])
    write(folder, "pilot.yaml", "persona_prompts: [x]")
    with pytest.raises(DatasetError, match=r"pilot\.yaml and pilot\.csv: keep one"):
        Files(folder).archetype("pilot", "", [])


def test_a_name_never_leaves_the_folder(folder: Path) -> None:
    write(folder.parent, "outside.csv", as_csv(ROWS))
    with pytest.raises(PersonaError, match="is not a persona name"):
        Files(folder).archetype("../outside", "", [])


lines = st.text(st.sampled_from('pos{}[]":,\n\\ud8aquestionrm_'), max_size=40)


@given(text=st.text(max_size=60) | lines, suffix=st.sampled_from(["csv", "jsonl", "yaml", "json"]))
def test_any_text_is_a_persona_or_an_error_that_names_the_file(scratch: Path, text: str, suffix: str) -> None:
    path = scratch / f"any.{suffix}"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = str(read_persona(path).persona_prompts)
    except PersonaError as error:
        found = str(error) if str(path) in str(error) else ""
    assert found


words = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool)


@given(st.lists(words, min_size=1, max_size=5, unique=True), st.lists(words, max_size=5, unique=True))
def test_texts_come_back_from_a_table_as_they_were(scratch: Path, prompts: list[str], questions: list[str]) -> None:
    rows = table({"persona_prompt": prompts, "question": questions})
    read = read_persona(write(scratch, "round.jsonl", as_lines(rows)))
    assert (list(read.persona_prompts), list(read.questions)) == (prompts, questions)


@pytest.mark.usefixtures("home")
def test_create_takes_the_whole_dataset_from_the_file(folder: Path, persona_command: Command) -> None:
    persona_command("create", "captain", "--generator", f"files:{folder / 'pilot.csv'}", "--no-extract")
    dataset = persona_dataset(PersonaManager(get_config()), "captain")
    assert (dataset.persona_prompts, dataset.default_prompts, dataset.questions) == (PROMPTS, DEFAULT, QUESTIONS)


@pytest.mark.usefixtures("home")
def test_one_personas_file_is_never_taken_for_another(folder: Path, persona_command: Command) -> None:
    generate = ("datasets", "generate", "personas", "sage", "--generator")
    told = persona_command(*generate, f"files:{folder / 'pilot.csv'}", code=1).stderr
    assert "are not those of 'sage'" in told
    write(folder, "sage.csv", as_csv(ROWS))
    persona_command(*generate, f"files:{folder}")
    assert persona_dataset(PersonaManager(get_config()), "sage").persona_prompts == PROMPTS


@pytest.mark.usefixtures("home")
def test_files_alone_asks_which(persona_command: Command) -> None:
    told = persona_command("create", "x", "--description", "y", "--generator", "files", "--no-extract", code=1)
    assert "files:PATH" in told.stderr
