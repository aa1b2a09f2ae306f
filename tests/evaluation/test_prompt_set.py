"""Prompt sets: what is built in, how sets are put together, and what is wrong with voices that do not match."""

import pytest

from persona_core.errors import DatasetError
from persona_core.evaluation.judges import LogProbJudge
from persona_core.evaluation.prompt_set import PromptSet, Voices, core_prompts, join, read_voices
from persona_core.plugins.loading import load_plugins

TWO = Voices(questions=("Why?", "How?"), voices={"sage": ("a", "b")})


def test_the_built_in_judge_and_prompts_are_registered_like_any_other() -> None:
    plugins = load_plugins(installed=[])
    assert plugins.find("register_judges", "log-prob", "judge") == LogProbJudge()
    assert plugins.find("register_prompt_sets", "core", "prompt set") == core_prompts()
    assert plugins.failures == []


def test_the_core_holds_all_that_needs_no_persona() -> None:
    core = core_prompts()
    empty = [part for part in PromptSet.model_fields if not getattr(core, part)]
    assert empty == []
    assert core.held_out == Voices()
    assert all("{request}" in jailbreak for jailbreak in core.jailbreaks)
    assert all(mark == mark.lower() for mark in core.refusal_marks)


def test_joined_sets_hold_the_parts_of_all() -> None:
    one, other = PromptSet(name="one", neutral=("a",)), PromptSet(name="other", neutral=("b",), held_out=TWO)
    assert join([one, other]) == PromptSet(name="one+other", neutral=("a", "b"), held_out=TWO)
    assert join([other, one]).held_out == TWO


def test_voices_to_the_same_questions_are_joined_and_to_others_refused() -> None:
    more = Voices(questions=TWO.questions, voices={"monk": ("c", "d")})
    sets = [PromptSet(name=str(index), held_out=voices) for index, voices in enumerate((TWO, more))]
    assert set(join(sets).held_out.voices) == {"sage", "monk"}
    other = PromptSet(name="x", held_out=Voices(questions=("Who?",), voices={"monk": ("c",)}))
    with pytest.raises(DatasetError, match="different questions"):
        join([sets[0], other])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("questions: [a, b]\nvoices: {sage: [x]}", "v.yaml: sage has 1 texts for 2 questions"),
        ("questions: [a]\nvoice: {}", "v.yaml: voice: Extra inputs"),
        ("questions: [", "v.yaml: while parsing"),
    ],
)
def test_wrong_voices_are_an_error_that_names_the_file(text: str, said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_voices(text, "v.yaml")
    assert str(caught.value).startswith(said)


def test_texts_that_a_part_needs_and_the_set_lacks_are_named() -> None:
    assert core_prompts().require("neutral") == core_prompts().neutral
    with pytest.raises(DatasetError, match="'voices' has no safe looking unsafe texts; add `--prompts core`"):
        PromptSet(name="voices", held_out=TWO).require("safe_looking_unsafe")
