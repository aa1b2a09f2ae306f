"""Prompt sets: the texts that an evaluation asks and reads, built in or registered by packages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from importlib.resources import files

import yaml
from pydantic import ConfigDict, Field

from persona_core.base.records import Record, first_problem, read_yaml
from persona_core.errors import DatasetError
from persona_core.personas.archetype import Text

CORE = "core"


class Voices(Record):
    """Held-out texts in each persona's voice: persona -> one text for each question."""

    model_config = ConfigDict(extra="forbid")

    questions: tuple[Text, ...] = ()
    voices: dict[str, tuple[Text, ...]] = Field(default_factory=dict)


class PromptSet(Record):
    """The texts that an evaluation asks and reads. Every field may be empty; several sets are joined field by field.

    `neutral` are texts that no persona speaks. `jailbreaks` hold `{request}`, which is filled with a harmful request.
    `refusal_marks` are lower-case words that tell a refusal.
    `safe_looking_unsafe` are harmless questions that sound harmful (as XSTest, arXiv 2308.01263).
    """

    model_config = ConfigDict(extra="forbid")

    name: Text
    neutral: tuple[Text, ...] = ()
    jailbreaks: tuple[Text, ...] = ()
    refusal_marks: tuple[Text, ...] = ()
    safe_looking_unsafe: tuple[Text, ...] = ()
    held_out: Voices = Voices()

    def joined(self, other: PromptSet) -> PromptSet:
        """Return a set with the texts of both."""
        lists = {
            field: (*getattr(self, field), *getattr(other, field))
            for field in type(self).model_fields
            if field not in ("name", "held_out")
        }
        return PromptSet(name=f"{self.name}+{other.name}", held_out=_joined(self.held_out, other.held_out), **lists)

    def require(self, field: str) -> tuple[str, ...]:
        """Return the texts of a field; raise `DatasetError` where the set has none."""
        texts: tuple[str, ...] = getattr(self, field)
        if not texts:
            raise DatasetError(
                f"the prompt set {self.name!r} has no {field.replace('_', ' ')} texts; add `--prompts {CORE}`, "
                "or choose other parts with --part"
            )
        return texts


def core_prompts() -> PromptSet:
    """Return the prompts that need no persona."""
    text = files("persona_core.evaluation").joinpath("prompts.yaml").read_text(encoding="utf-8")
    return PromptSet(name=CORE, **read_yaml(text))


def join(sets: Sequence[PromptSet]) -> PromptSet:
    """Return one set with the texts of all."""
    return reduce(PromptSet.joined, sets)


def read_voices(text: str, source: str) -> Voices:
    """Read held-out texts from YAML; raise `DatasetError` where a persona has not one text a question."""
    try:
        voices = Voices.model_validate(read_yaml(text))
    except (yaml.YAMLError, ValueError) as error:
        raise DatasetError(f"{source}: {first_problem(error)}") from error
    for name, texts in voices.voices.items():
        if len(texts) != len(voices.questions):
            raise DatasetError(f"{source}: {name} has {len(texts)} texts for {len(voices.questions)} questions")
    return voices


def _joined(one: Voices, other: Voices) -> Voices:
    """Join two sets of voices; raise `DatasetError` where they answer different questions."""
    if not one.voices or not other.voices:
        return one if one.voices else other
    if one.questions != other.questions:
        raise DatasetError("two prompt sets hold voices to different questions; choose one with --prompts")
    return Voices(questions=one.questions, voices={**one.voices, **other.voices})
