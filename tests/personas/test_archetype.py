"""Archetypes: text that reads back, and errors that name the file and the field."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from persona_core.errors import ArchetypeError, PersonaError
from persona_core.personas.archetype import Archetype, archetypes_from, archetypes_in, interleave

LETTERS = st.characters(codec="utf-8", exclude_characters="\x85")
"""PyYAML writes U+0085 plainly and reads it as a line break, so it alone does not come back."""

texts = st.text(LETTERS, min_size=1).filter(lambda text: bool(text.strip()))
archetypes = st.builds(
    Archetype,
    name=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True),
    description=texts,
    system_prompts=st.lists(texts, min_size=1, max_size=3).map(tuple),
    questions=st.lists(texts, max_size=3).map(tuple),
    tags=st.lists(texts, max_size=2).map(tuple),
)
YAML = "name: sage\ndescription: a calm teacher\nsystem_prompts: [You are a sage.]\n"


@given(archetypes)
def test_an_archetype_reads_back_equal(archetype: Archetype) -> None:
    assert Archetype.from_yaml(archetype.to_yaml()) == archetype


@given(st.text(max_size=60) | st.text(":-[]{}\n a1&*!#'\"", max_size=40).map(lambda text: YAML + text))
@example(YAML + "tags: [2020-13-45]")
@example(YAML + "tags: 0x_")
def test_any_text_is_an_archetype_or_refused(text: str) -> None:
    try:
        Archetype.from_yaml(text, source="voice.yaml")
    except ArchetypeError as error:
        assert str(error).startswith("voice.yaml: ")
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (YAML.replace("sage", "Sage", 1), "name"),
        (YAML.replace("a calm teacher", "' '"), "description"),
        (YAML.replace("[You are a sage.]", "[]"), "system_prompts"),
        (YAML + "colour: blue\n", "colour"),
        (YAML + "questions: why\n", "questions"),
        ("[]", "the document"),
        ("name: [", "expected"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(text: str, message: str) -> None:
    with pytest.raises(ArchetypeError, match=rf"(?s)^sage\.yaml: .*{message}"):
        Archetype.from_yaml(text, source="sage.yaml")


def test_a_folder_is_read_in_order_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    for name in ("trickster", "sage"):
        (tmp_path / f"{name}.yaml").write_text(YAML.replace("sage", name, 1))
    (tmp_path / "notes.txt").write_text("not an archetype")
    assert [archetype.name for archetype in archetypes_in(tmp_path)] == ["sage", "trickster"]
    assert archetypes_in(tmp_path / "missing") == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name: ["])
def test_a_damaged_file_of_a_folder_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.yaml").write_bytes(content)
    with pytest.raises(PersonaError, match=r"broken\.yaml"):
        archetypes_in(tmp_path)


def test_a_package_shares_its_question_bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "voices_with_bank"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "questions.yaml").write_text("work: [w1, w2, w3]\nlove: [l1]\n")
    (package / "sage.yaml").write_text(YAML)
    (package / "poet.yaml").write_text(YAML.replace("sage", "poet", 1) + "questions: [own]\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {archetype.name: archetype.questions for archetype in archetypes_from("voices_with_bank")}
    assert found == {"poet": ("own",), "sage": ("w1", "l1", "w2", "w3")}


@given(st.dictionaries(st.text(max_size=3), st.lists(st.integers(), max_size=5), max_size=4))
def test_interleaving_keeps_every_question_and_takes_topics_in_turn(topics: dict[str, list[int]]) -> None:
    mixed = interleave(topics)
    assert sorted(mixed) == sorted(item for column in topics.values() for item in column)
    full = [column for column in topics.values() if column]
    assert list(mixed[: len(full)]) == [column[0] for column in full]
