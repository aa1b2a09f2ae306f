"""The data that extraction reads: editable YAML, one persona a file, and one file for safety."""

import json
from typing import Annotated, TypeVar

import yaml
from pydantic import ConfigDict, Field

from persona_core.base.records import Record, digest, first_problem, read_yaml
from persona_core.errors import DatasetError
from persona_core.personas.archetype import Text

STAMP = "# persona-steer dataset, generated; sha256 of what follows: "


class PersonaDataset(Record):
    """Two sides of a contrast: the same questions asked of the persona and of the default assistant."""

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
    """What the safety axis is made from, and the held-out part that it is checked on.

    `frames` put a request into other words or into a role; each holds `{request}`. The starts are how replies begin
    that refuse, and how others do.
    """

    model_config = ConfigDict(extra="forbid")

    train: Annotated[tuple[SafetyPair, ...], Field(min_length=8)]
    heldout: Annotated[tuple[SafetyPair, ...], Field(min_length=4)]
    frames: Annotated[tuple[Text, ...], Field(min_length=1)] = ("{request}",)
    refusing_starts: Annotated[tuple[Text, ...], Field(min_length=1)] = REFUSING_STARTS
    complying_starts: Annotated[tuple[str, ...], Field(min_length=1)] = COMPLYING_STARTS

    def digest(self) -> str:
        """Return a short hash of the whole content."""
        return digest(self.model_dump_json())


Dataset = TypeVar("Dataset", PersonaDataset, SafetyDataset)


def to_text(dataset: PersonaDataset | SafetyDataset) -> str:
    """Return YAML under a first line that tells later whether somebody has edited it."""
    body = yaml.safe_dump(dataset.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)
    return f"{STAMP}{digest(body)}\n{body}"


def from_text(kind: type[Dataset], text: str, source: str) -> Dataset:
    """Read a dataset; raise `DatasetError` that names the file and the field."""
    try:
        return kind.model_validate(read_yaml(text))
    except (yaml.YAMLError, ValueError) as error:
        raise DatasetError(f"{source}: {first_problem(error)}") from error


def is_edited(text: str) -> bool:
    """Tell whether a dataset's text is other than what was generated."""
    first, _, body = text.partition("\n")
    return first != f"{STAMP}{digest(body)}"
