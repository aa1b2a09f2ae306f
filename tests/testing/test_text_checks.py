"""The checks of archetypes and generators accept what is built in, and reject one wrong object for each promise."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from persona_core.errors import PersonaError
from persona_core.extraction.generators import Templates
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import PersonaDataset, SafetyDataset
from persona_core.testing import check_archetype, check_dataset_generator

SAYS_WHAT_TO_DO = r"^.+; .{15,}"
"""What is wrong, a semicolon, and how to mend it."""


@dataclass(frozen=True)
class Edited(Templates):
    """The built-in generator with one of its three results edited."""

    edit: Callable[[Any], Any] = field(default=lambda result: result)
    which: type = PersonaDataset

    def archetype(self, name: str, description: str, questions: Sequence[str]) -> Archetype:
        return self._edited(super().archetype(name, description, questions))  # type: ignore[no-any-return]

    def persona(self, archetype: Archetype, n_prompts: int, n_questions: int) -> PersonaDataset:
        return self._edited(super().persona(archetype, n_prompts, n_questions))  # type: ignore[no-any-return]

    def safety(self) -> SafetyDataset:
        return self._edited(super().safety())  # type: ignore[no-any-return]

    def _edited(self, result: Any) -> Any:
        return self.edit(result) if isinstance(result, self.which) else result


def adding(text: str, key: str) -> Callable[[Any], Any]:
    """Return an edit that makes a field of text differ at each call."""
    count: Iterator[int] = itertools.count()
    return lambda result: result.model_copy(update={key: (*getattr(result, key)[:-1], f"{text} {next(count)}")})


def setting(**fields: Any) -> Callable[[Any], Any]:
    return lambda result: result.model_copy(update=fields)


BAD_GENERATORS = {
    "other name": Edited(edit=setting(name="other"), which=Archetype),
    "too few prompts": Edited(edit=setting(system_prompts=("one",)), which=Archetype),
    "random archetype": Edited(edit=adding("x", "system_prompts"), which=Archetype),
    "other dataset name": Edited(edit=setting(name="other")),
    "too many prompts": Edited(edit=setting(persona_prompts=("a", "b", "c", "d"))),
    "too many questions": Edited(edit=setting(questions=tuple("abcdefghi"))),
    "repeated question": Edited(edit=setting(questions=("a", "A "))),
    "random dataset": Edited(edit=adding("x", "questions")),
    "default side of its own": Edited(edit=lambda data: setting(default_prompts=(data.name,))(data)),
    "held-out pairs are trained on": Edited(edit=lambda data: setting(heldout=data.train)(data), which=SafetyDataset),
}


def test_the_built_in_generator_is_accepted_and_so_is_one_that_changes_nothing() -> None:
    check_dataset_generator(Templates())
    check_dataset_generator(Edited())


@pytest.mark.parametrize("generator", BAD_GENERATORS.values(), ids=BAD_GENERATORS)
def test_a_wrong_dataset_generator_is_rejected(generator: Templates) -> None:
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_dataset_generator(generator)


def test_an_archetype_with_too_little_or_repeated_text_is_rejected() -> None:
    prompts, questions = tuple("abc"), tuple(f"question {number}?" for number in range(15))
    good = Archetype(name="mine", description="mine", system_prompts=prompts, questions=questions)
    check_archetype(good)
    for fields in (
        {"system_prompts": prompts[:2]},
        {"questions": questions[:14]},
        {"system_prompts": ("a", "b", " A ")},
        {"questions": (*questions[:14], "QUESTION  0?")},
        {"judge_prompts": ("A",)},
    ):
        with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
            check_archetype(good.model_copy(update=fields))


def test_a_result_of_another_type_is_named() -> None:
    with pytest.raises(AssertionError, match=r"dict; it must be a persona_core\.personas\.dataset\.PersonaDataset"):
        check_dataset_generator(Edited(edit=lambda data: {}))
    with pytest.raises(AssertionError, match=r"str; it must be a persona_core\.personas\.archetype\.Archetype"):
        check_archetype("sage")


def test_a_name_that_nobody_can_type_is_rejected() -> None:
    with pytest.raises(PersonaError, match="is not a"):
        check_dataset_generator(Edited(name=""))
