"""What the model writes is sieved, the same every time, and an error where too little of it serves."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persona_datasets_model.generator import (
    ModelWritten,
    is_question,
    prompt_request,
    question_request,
    question_sieve,
    system_prompts,
)
from persona_datasets_model.sieve import Sieve, between, is_near, likeness, list_items, same, sentences, without, words
from persona_datasets_model.writing import replies

from persona_core import ModelWrapper, PluginManager, Templates, get_config
from persona_core.errors import DatasetError
from persona_core.testing import check_dataset_generator

WHO = "a grumpy pirate captain who loves the sea"
BRIEF = 28
"""Tokens of a system prompt, fewer than usual so that the tests are quick."""
texts = st.text(st.sampled_from("abc sea.,?!'1"), max_size=30)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelWrapper:
    """The embedded model, asked for as little text as an archetype may have."""
    config = get_config(tmp_path_factory.mktemp("home"), model="smollm2")
    return ModelWrapper(config.replace({"extraction.system_prompts": 3, "extraction.questions": 15}))


def test_the_generator_keeps_the_contract(model: ModelWrapper) -> None:
    check_dataset_generator(ModelWritten(prompt_tokens=BRIEF, list_tokens=40).with_model(model))


def test_the_generator_is_found_by_its_entry_point_and_asks_for_a_model(persona_plugins: PluginManager) -> None:
    registered = persona_plugins.registry("register_dataset_generators")["model-written"]
    assert registered.distribution == "persona-datasets-model"
    with pytest.raises(DatasetError, match="none is loaded here"):
        registered.value.archetype("corsair", WHO, [])


def test_the_same_number_gives_the_same_text_in_whatever_company_and_without_the_cache(
    model: ModelWrapper, tmp_path: Path
) -> None:
    request = replace(question_request(WHO), max_new_tokens=8)
    together = list(replies(model, request, 1, 2))
    assert len(set(together)) == 2
    kept, model.config = model.config, get_config(tmp_path, model="smollm2").replace({"extraction.batch_size": 1})
    try:
        assert next(replies(model, request, 2, 1)) == together[1]
        assert os.listdir(tmp_path / "cache" / model.identity.slug) == ["written.jsonl"]
        model.config = model.config.replace({"extraction.seed": 7})
        assert next(replies(model, request, 2, 1)) != together[1]
    finally:
        model.config = kept


def test_what_was_sampled_before_is_not_sampled_again(model: ModelWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    request = replace(prompt_request(WHO), max_new_tokens=4)
    before = list(replies(model, request, 0, 2))
    monkeypatch.setattr(model, "nnsight", None)
    assert list(replies(model, request, 0, 2)) == before


def test_system_prompts_say_who_speaks_and_what_the_model_adds(model: ModelWrapper) -> None:
    found = system_prompts(model, prompt_request("a baker with thirty years of work behind them", BRIEF), 3)
    assert len(found) == 3
    assert all(prompt.startswith("You are a baker with thirty years of work behind them. You") for prompt in found)
    added = [prompt.partition("them. ")[2] for prompt in found]
    assert all(text[-1] in ".!?\"'”" and not is_near(text, set(added) - {text}) for text in added)


def test_too_little_that_serves_is_an_error_that_says_what_to_do(model: ModelWrapper) -> None:
    with pytest.raises(DatasetError) as caught:
        ModelWritten(prompt_tokens=1).with_model(model).archetype("corsair", "a pirate", [])
    for part in ("smollm2 wrote 30 system prompts", "0 serve", "3 are wanted", "form 30", "--generator templates"):
        assert part in str(caught.value)


def test_an_empty_description_is_refused_before_anything_is_written(model: ModelWrapper) -> None:
    with pytest.raises(DatasetError, match="description is empty"):
        ModelWritten().with_model(model).archetype("corsair", " ", [])


def test_the_safety_dataset_is_the_built_in_one(model: ModelWrapper) -> None:
    assert ModelWritten().with_model(model).safety() == Templates().safety()


def test_each_filter_drops_what_it_is_for_and_counts_it() -> None:
    sieve = question_sieve(question_request(WHO), "black-bart", WHO)
    sieve.add(
        [
            "How do I get a stain out of a red shirt?",
            "What should I cook tonight?",
            "Tell me about bread.",
            "What should I cook for tonight?",
            "Why?",
            "Which seas are the warmest?",
            "Was Bart a good man?",
            "How do I save money?",
        ]
    )
    assert sieve.kept == ["What should I cook tonight?", "How do I save money?"]
    assert sieve.dropped == {"duplicate": 2, "form": 1, "length": 1, "leak": 2}
    assert sieve.seen == 8


def test_words_are_compared_in_their_forms() -> None:
    assert all(same(*pair) for pair in (("captain", "captains"), ("sea", "seas"), ("sail", "sailing"), ("a", "a")))
    assert not any(same(*pair) for pair in (("sea", "search"), ("cat", "car"), ("captain", "cape"), ("", "a")))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("You roar. You sing", "You roar."),
        ('You say: "Ahoy!" And then', 'You say: "Ahoy!"'),
        ("You cost 3.50 dollars", ""),
        ("Two\nlines. ", "Two lines."),
        ("", ""),
    ],
)
def test_a_text_ends_with_its_last_whole_sentence(text: str, whole: str) -> None:
    assert sentences(text) == whole


def test_a_lists_marks_are_taken_off() -> None:
    text = '5. How are you?\n6) "Why?"\n\n- Where to?\n* **When?**\n7: Is 3 enough?'
    assert list_items(f"How are you?\n{text}") == [
        "How are you?", "How are you?", "Why?", "Where to?", "When?", "Is 3 enough?"
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "?", "How", "7 of what?", "How? Why?"])
def test_what_is_no_single_question_is_none(text: str) -> None:
    assert not is_question(text)


@given(texts, texts)
def test_likeness_is_symmetric_and_one_for_the_same_words(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one)
    assert 0 <= likeness(one, other) <= 1
    assert likeness(one, one.upper()) == 1


@given(texts, texts)
def test_forms_of_a_word_go_both_ways(one: str, other: str) -> None:
    assert same(one, other) == same(other, one)
    assert same(one, one)


@given(st.lists(texts, max_size=12))
def test_what_is_kept_passes_every_test_is_unlike_the_rest_and_everything_is_counted(found: list[str]) -> None:
    sieve = Sieve({"length": between(2, 9), "leak": without("sea", "")})
    sieve.add(found)
    assert sieve.seen == len(found)
    assert sieve.kept == [text for text in dict.fromkeys(found) if text in sieve.kept]
    for place, text in enumerate(sieve.kept):
        assert 2 <= len(text.split()) <= 9
        assert not {"sea", "seas"} & words(text)
        assert not is_near(text, sieve.kept[:place])


@given(texts)
def test_sentences_are_the_beginning_of_the_text(text: str) -> None:
    assert " ".join(text.split()).startswith(sentences(text))
