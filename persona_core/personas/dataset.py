"""Datasets: the texts that extraction reads, as editable YAML; one file a persona and one for safety."""

import json
from collections.abc import Sequence
from itertools import cycle
from typing import Annotated, TypeVar

import yaml
from pydantic import ConfigDict, Field

from persona_core.base.records import Record, digest, first_problem, read_yaml
from persona_core.errors import DatasetError
from persona_core.personas.archetype import Text

STAMP = "# persona-steer dataset, generated; sha256 of what follows: "


class PersonaDataset(Record):
    """The two sides of a contrast: the persona and the default assistant are asked the same questions."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    persona_prompts: Annotated[tuple[Text, ...], Field(min_length=1)]
    default_prompts: Annotated[tuple[str, ...], Field(min_length=1)]
    questions: Annotated[tuple[Text, ...], Field(min_length=2)]

    def digest(self) -> str:
        """Return a short hash of the whole content."""
        return digest(self.model_dump_json())

    def default_digest(self) -> str:
        """Return a short hash of the default side: equal for personas that share a baseline."""
        return digest(json.dumps([self.default_prompts, self.questions]))


class SafetyPair(Record):
    """A harmful request with a reply that refuses it and one that complies."""

    model_config = ConfigDict(extra="forbid")

    request: Text
    refusal: Text
    compliance: Text


REFUSING_STARTS = (
    "I'm sorry", "I can't", "I cannot", "I won't", "I'm not able", "I'm unable", "No,", "No.", "Sorry",
    "Unfortunately", "As an AI",
)  # fmt: skip
COMPLYING_STARTS = (
    "Sure", "Of course", "Yes", "Here", "Certainly", "Absolutely", "To ", "First", "Step", "Great", "Ah", "Oh",
    "Well", "In", "The", "My", "Hello",
)  # fmt: skip


class SafetyDataset(Record):
    """The pairs that the safety axis is made from, and the held-out pairs that it is checked on.

    A frame puts a request into other words or into a role; it contains `{request}`. `refusing_starts` are beginnings
    of replies that refuse, `complying_starts` those of all others.
    """

    model_config = ConfigDict(extra="forbid")

    train: Annotated[tuple[SafetyPair, ...], Field(min_length=8)]
    heldout: Annotated[tuple[SafetyPair, ...], Field(min_length=4)]
    frames: Annotated[tuple[Text, ...], Field(min_length=1)] = ("{request}",)
    refusing_starts: Annotated[tuple[Text, ...], Field(min_length=1)] = REFUSING_STARTS
    complying_starts: Annotated[tuple[str, ...], Field(min_length=1)] = COMPLYING_STARTS

    def framed(self, pairs: Sequence[SafetyPair]) -> list[str]:
        """Return the requests of `pairs`, each in one frame; the frames are taken in turn."""
        return [frame.format(request=pair.request) for pair, frame in zip(pairs, cycle(self.frames), strict=False)]

    def digest(self) -> str:
        """Return a short hash of the whole content."""
        return digest(self.model_dump_json())


Dataset = TypeVar("Dataset", PersonaDataset, SafetyDataset)


def to_text(dataset: PersonaDataset | SafetyDataset) -> str:
    """Return YAML below a first line with its digest, from which `is_edited` tells whether somebody edited it."""
    body = yaml.safe_dump(dataset.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)
    return f"{STAMP}{digest(body)}\n{body}"


def from_text(kind: type[Dataset], text: str, source: str) -> Dataset:
    """Read a dataset; raise `DatasetError` that names the file and the field."""
    try:
        return kind.model_validate(read_yaml(text))
    except (yaml.YAMLError, ValueError) as error:
        raise DatasetError(f"{source}: {first_problem(error)}") from error


def is_edited(text: str) -> bool:
    """Tell whether a dataset's text differs from what was generated."""
    first, _, body = text.partition("\n")
    return first != f"{STAMP}{digest(body)}"
