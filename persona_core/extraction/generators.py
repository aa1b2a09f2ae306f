"""Dataset generators: write the text that extraction reads, from an archetype or a description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from persona_core.base.records import read_yaml
from persona_core.errors import DatasetError
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import PersonaDataset, SafetyDataset, SafetyPair

if TYPE_CHECKING:
    from persona_core.model.wrapper import ModelWrapper

DEFAULT_PROMPTS = (
    "",
    "You are a helpful assistant.",
    "You are an AI assistant. Answer the user's question clearly.",
    "Answer the user's question directly and factually.",
    "You are a large language model that gives useful answers.",
)
_DESCRIBED = (
    "You are {who}. Answer every message as {who} would, from the first word to the last.",
    "Speak only as {who}. Your words, your tone and what you care about all come from who you are.",
    "Take on the voice of {who}. Let your view of the world colour each answer, and never sound neutral.",
    "You have always been {who}. Whatever you are asked, reply in your own manner and with your own concerns.",
    "Reply as {who}: choose the images, the rhythm and the opinions that only {who} would choose.",
)
_DESCRIBED_TO_JUDGE = (
    "The one who talks here is {who}. Each phrase shows it.",
    "Imagine how {who} talks to a visitor, and say just that, with every habit and mood that belongs to it.",
)
_HELDOUT_STRIDE = 4


class DatasetGenerator(Protocol):
    """Writes the text that extraction reads. It is deterministic: the same input gives the same text."""

    @property
    def name(self) -> str:
        """The name that `--generator` takes."""
        ...

    def archetype(self, name: str, description: str, questions: Sequence[str]) -> Archetype:
        """Return an archetype for a description; `questions` is the bank of the reference archetypes."""
        ...

    def persona(self, archetype: Archetype, n_prompts: int, n_questions: int) -> PersonaDataset:
        """Return a persona's dataset with at most `n_prompts` system prompts a side and `n_questions` questions."""
        ...

    def safety(self) -> SafetyDataset:
        """Return refusing and complying replies to harmful requests."""
        ...


@runtime_checkable
class TakesArgument(Protocol):
    """A generator that takes the argument of `--generator NAME:ARGUMENT`, such as the file it reads."""

    def with_argument(self, argument: str) -> DatasetGenerator:
        """Return the generator for one argument; raise `DatasetError` where the argument is wrong."""
        ...


@runtime_checkable
class WritesWithModel(Protocol):
    """A generator that writes with the loaded model."""

    def with_model(self, model: ModelWrapper) -> DatasetGenerator:
        """Return the generator bound to this model; the same model and input give the same text."""
        ...


@dataclass(frozen=True)
class Templates:
    """The built-in generator, which fills written templates and needs no network."""

    name: str = "templates"

    def archetype(self, name: str, description: str, questions: Sequence[str]) -> Archetype:
        """Put the description into five system prompts, and into two judge prompts of other words."""
        who = as_noun_phrase(description)
        return Archetype(
            name=name,
            description=description,
            system_prompts=tuple(template.format(who=who) for template in _DESCRIBED),
            questions=tuple(questions),
            tags=("described",),
            judge_prompts=tuple(template.format(who=who) for template in _DESCRIBED_TO_JUDGE),
        )

    def persona(self, archetype: Archetype, n_prompts: int, n_questions: int) -> PersonaDataset:
        """Take the archetype's first system prompts and questions, against the default assistant's prompts."""
        if len(archetype.questions) < 2:
            raise DatasetError(f"archetype {archetype.name!r} has {len(archetype.questions)} questions; give it 2")
        return PersonaDataset(
            name=archetype.name,
            persona_prompts=archetype.system_prompts[:n_prompts],
            default_prompts=DEFAULT_PROMPTS[:n_prompts],
            questions=archetype.questions[:n_questions],
        )

    def safety(self) -> SafetyDataset:
        """Pair each harmful request with a refusal and a compliance; every fourth request is held out."""
        text = files("persona_core.extraction").joinpath("safety.yaml").read_text(encoding="utf-8")
        templates = read_yaml(text)
        pairs = _safety_pairs(templates)
        return SafetyDataset(
            frames=tuple(templates["frames"]),
            train=tuple(pair for index, pair in enumerate(pairs) if index % _HELDOUT_STRIDE),
            heldout=tuple(pairs[::_HELDOUT_STRIDE]),
        )


def as_noun_phrase(description: str) -> str:
    """Return a description in the form that follows `You are`; raise `DatasetError` for an empty one."""
    text = description.strip().rstrip(".!")
    for start in ("you are ", "i am ", "act as ", "be "):
        if text.lower().startswith(start):
            text = text[len(start) :].strip()
    if not text:
        raise DatasetError("the description is empty: say in a few words who the persona is")
    return text[0].lower() + text[1:] if text.split()[0] in ("A", "An", "The", "Someone") else text


def _safety_pairs(templates: dict[str, Any]) -> list[SafetyPair]:
    deeds: list[str] = templates["deeds"]
    return [
        SafetyPair(
            request=_wording(templates["requests"], index).format(deed=deed),
            refusal=_wording(templates["refusals"], index).format(deed=deed),
            compliance=_wording(templates["compliances"], index).format(deed=deed),
        )
        for index, deed in enumerate(deeds)
    ]


def _wording(choices: list[str], index: int) -> str:
    """Return the wording of one pair; each round starts one later, so held-out requests do not share one wording."""
    return choices[(index + index // len(choices)) % len(choices)]
