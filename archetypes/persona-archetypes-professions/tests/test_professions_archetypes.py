from collections.abc import Iterator
from itertools import combinations

import pytest
from persona_archetypes_professions import register_archetypes

from persona_core import Archetype, PluginManager
from persona_core.testing import check_archetype

DISTRIBUTION = "persona-archetypes-professions"
NAMES = {
    "physician",
    "engineer",
    "teacher",
    "judge",
    "negotiator",
    "poet",
    "journalist",
    "chef",
    "detective",
    "gardener",
    "pilot",
    "historian",
}
ARCHETYPES = {archetype.name: archetype for archetype in register_archetypes()}


def folded(texts: tuple[str, ...]) -> Iterator[str]:
    return (" ".join(text.lower().split()) for text in texts)


def runs(text: str, length: int = 4) -> set[tuple[str, ...]]:
    words = [word.strip(".,;:!?\"'") for word in text.lower().split()]
    return {tuple(words[start : start + length]) for start in range(len(words) - length + 1)}


@pytest.fixture(scope="module")
def installed(persona_plugins: PluginManager) -> dict[str, Archetype]:
    registered = persona_plugins.registry("register_archetypes")
    ours = {name: item for name, item in registered.items() if item.distribution == DISTRIBUTION}
    return {name: item.value for name, item in ours.items()}


@pytest.mark.parametrize("archetype", ARCHETYPES.values(), ids=ARCHETYPES)
def test_every_archetype_can_make_a_usable_vector(archetype: Archetype) -> None:
    check_archetype(archetype, prompts=5, questions=40)


def test_the_package_brings_exactly_its_twelve() -> None:
    assert set(ARCHETYPES) == NAMES


def test_the_installed_entry_point_brings_the_same_archetypes(installed: dict[str, Archetype]) -> None:
    assert installed == ARCHETYPES


@pytest.mark.parametrize("archetype", ARCHETYPES.values(), ids=ARCHETYPES)
def test_every_archetype_takes_the_shared_question_bank(archetype: Archetype) -> None:
    assert archetype.questions == next(iter(ARCHETYPES.values())).questions


def test_the_bank_holds_at_least_40_short_questions_and_none_twice() -> None:
    bank = list(folded(next(iter(ARCHETYPES.values())).questions))
    assert len(bank) >= 40
    assert len(set(bank)) == len(bank)
    assert all(len(question.split()) < 20 for question in bank)


@pytest.mark.parametrize("archetype", ARCHETYPES.values(), ids=ARCHETYPES)
def test_two_judge_prompts_share_no_four_words_with_what_extraction_reads(archetype: Archetype) -> None:
    assert len(archetype.judge_prompts) == 2
    read = set().union(*(runs(prompt) for prompt in archetype.system_prompts))
    assert all(read.isdisjoint(runs(prompt)) for prompt in archetype.judge_prompts)


@pytest.mark.parametrize(("one", "other"), combinations(sorted(ARCHETYPES), 2))
def test_two_archetypes_share_no_system_prompt(one: str, other: str) -> None:
    prompts = set(folded(ARCHETYPES[one].system_prompts))
    assert prompts.isdisjoint(folded(ARCHETYPES[other].system_prompts))
