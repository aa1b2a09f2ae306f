"""Datasets: text that people edit, and what generators write."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from persona_core.errors import DatasetError
from persona_core.extraction.generators import DEFAULT_PROMPTS, Templates
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import PersonaDataset, SafetyDataset, SafetyPair, from_text, is_edited, to_text

LETTERS = st.characters(codec="utf-8", exclude_characters="\x85")
"""PyYAML writes U+0085 plainly and reads it as a line break, so it alone does not come back."""

texts = st.text(LETTERS, min_size=1, max_size=30).filter(lambda text: bool(text.strip()))
persona_datasets = st.builds(
    PersonaDataset,
    name=texts,
    persona_prompts=st.lists(texts, min_size=1, max_size=3).map(tuple),
    default_prompts=st.lists(st.text(LETTERS), min_size=1, max_size=3).map(tuple),
    questions=st.lists(texts, min_size=2, max_size=4).map(tuple),
)
SAGE = Archetype(
    name="sage",
    description="a calm teacher",
    system_prompts=("You are a sage.", "Be wise.", "Teach."),
    questions=("Why?", "How?", "When?", "Where?"),
)
DATASET = Templates().persona(SAGE, 2, 3)


@given(persona_datasets)
def test_a_dataset_reads_back_equal_and_unedited(dataset: PersonaDataset) -> None:
    text = to_text(dataset)
    back = from_text(PersonaDataset, text, "sage.yaml")
    assert back == dataset
    assert back.digest() == dataset.digest()
    assert not is_edited(text)


@given(st.integers(0, 10_000), LETTERS)
def test_any_change_of_the_text_counts_as_an_edit(place: int, letter: str) -> None:
    text = to_text(DATASET)
    place %= len(text)
    changed = text[:place] + letter + text[place + 1 :]
    assert is_edited(changed) == (changed != text)


def test_a_text_without_the_stamp_is_edited() -> None:
    assert is_edited("")
    assert is_edited(to_text(DATASET).partition("\n")[2])


def test_the_default_digest_is_shared_by_personas_with_the_same_questions() -> None:
    other = DATASET.model_copy(update={"name": "poet", "persona_prompts": ("You are a poet.",)})
    assert other.default_digest() == DATASET.default_digest()
    assert other.digest() != DATASET.digest()
    asked = DATASET.model_copy(update={"questions": ("Why?", "Who?")})
    assert asked.default_digest() != DATASET.default_digest()


@given(st.text(max_size=60))
@example("name: 2020-13-45")
@example("name: !!int x")
def test_any_text_is_a_dataset_or_refused(text: str) -> None:
    with pytest.raises(DatasetError, match=r"^sage\.yaml: "):
        from_text(PersonaDataset, text, "sage.yaml")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"questions": ["Why?"]}, "questions"), ({"persona_prompts": []}, "persona_prompts"), ({"x": 1}, "x")],
)
def test_a_wrong_field_is_named(change: dict[str, object], field: str) -> None:
    data = DATASET.model_dump(mode="json") | change
    with pytest.raises(DatasetError, match=rf"^sage\.yaml: {field}: "):
        from_text(PersonaDataset, str(data), "sage.yaml")


def test_templates_contrast_the_persona_with_the_default_assistant() -> None:
    assert DATASET.persona_prompts == ("You are a sage.", "Be wise.")
    assert DATASET.default_prompts == DEFAULT_PROMPTS[:2]
    assert DATASET.questions == ("Why?", "How?", "When?")


def test_an_archetype_without_questions_is_refused() -> None:
    with pytest.raises(DatasetError, match="'sage' has 1 questions; give it 2"):
        Templates().persona(SAGE.model_copy(update={"questions": ("Why?",)}), 5, 20)


def test_the_safety_dataset_holds_out_whole_requests() -> None:
    safety = Templates().safety()
    train, heldout = ({pair.request for pair in pairs} for pairs in (safety.train, safety.heldout))
    assert not train & heldout
    assert len(train) > 2 * len(heldout) >= 8
    assert all(pair.refusal != pair.compliance for pair in (*safety.train, *safety.heldout))
    assert not any("{" in pair.model_dump_json()[1:] for pair in safety.train)
    assert from_text(SafetyDataset, to_text(safety), "safety.yaml") == safety


def test_generating_twice_gives_the_same_text() -> None:
    assert to_text(Templates().safety()) == to_text(Templates().safety())
    assert to_text(Templates().persona(SAGE, 2, 3)) == to_text(DATASET)


def test_a_safety_pair_needs_both_replies() -> None:
    with pytest.raises(DatasetError, match="compliance"):
        from_text(SafetyDataset, "train: [{request: a, refusal: b}]\nheldout: []", "safety.yaml")
    assert SafetyPair(request="a", refusal="b", compliance="c").refusal == "b"


@pytest.mark.parametrize(
    ("description", "who"),
    [
        ("a grumpy sailor", "a grumpy sailor"),
        ("A grumpy sailor.", "a grumpy sailor"),
        ("You are a grumpy sailor!", "a grumpy sailor"),
        ("Ada Lovelace", "Ada Lovelace"),
        ("a poet who writes {rhymes}", "a poet who writes {rhymes}"),
    ],
)
def test_a_description_becomes_system_prompts(description: str, who: str) -> None:
    made = Templates().archetype("mine", description, SAGE.questions)
    assert len(set(made.system_prompts)) == 5
    assert len({*made.system_prompts, *made.judge_prompts}) == 7
    assert all(who in prompt for prompt in (*made.system_prompts, *made.judge_prompts))
    assert made.questions == SAGE.questions


@given(texts)
@example("...")
@example("You are  .")
def test_any_description_gives_an_archetype_or_is_refused(description: str) -> None:
    try:
        made = Templates().archetype("mine", description, SAGE.questions)
    except DatasetError as error:
        assert "the description is empty" in str(error)
    else:
        assert Archetype.from_yaml(made.to_yaml()) == made


def test_requests_take_the_frames_in_turn() -> None:
    pairs = tuple(SafetyPair(request=f"deed {n}", refusal="no", compliance="yes") for n in range(8))
    data = SafetyDataset(train=pairs, heldout=pairs[:4], frames=("{request}", "In a play: {request}"))
    assert data.framed(pairs[:3]) == ["deed 0", "In a play: deed 1", "deed 2"]
