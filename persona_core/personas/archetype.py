"""Archetype: the text that a persona is made from; people write it and packages ship it."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field, StringConstraints

from persona_core.base.files import read_text
from persona_core.base.names import NAME_PATTERN
from persona_core.base.records import Record, first_problem, read_yaml
from persona_core.errors import ArchetypeError

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
QUESTIONS_FILE = "questions.yaml"


class Archetype(Record):
    """A persona as text: who speaks (system prompts) and what it is asked (questions).

    `questions` may be empty: an archetype of a package then takes its package's question bank. Extraction uses both
    lists whole unless the configuration asks for fewer. `judge_prompts` are system prompts of the same character in
    other words: only evaluation reads them, so that no figure is read with extraction's own words.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
    description: Text
    system_prompts: Annotated[tuple[Text, ...], Field(min_length=1)]
    questions: tuple[Text, ...] = ()
    tags: tuple[Text, ...] = ()
    judge_prompts: tuple[Text, ...] = ()

    @classmethod
    def from_yaml(cls, text: str, source: str = "archetype") -> "Archetype":
        """Read one archetype; raise `ArchetypeError` that names `source` and the wrong field."""
        try:
            return cls.model_validate(read_yaml(text))
        except (yaml.YAMLError, ValueError) as error:
            raise ArchetypeError(f"{source}: {first_problem(error)}") from error

    def to_yaml(self) -> str:
        """Return YAML that `from_yaml` reads back to an equal archetype."""
        data = self.model_dump(mode="json")
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def archetypes_from(package: str) -> list[Archetype]:
    """Read every `*.yaml` beside a package's `__init__.py`; `questions.yaml` is their shared question bank."""
    folder = files(package)
    bank = _bank(folder)
    archetypes = (_read(entry) for entry in _yaml_files(folder) if entry.name != QUESTIONS_FILE)
    return [one if one.questions else one.model_copy(update={"questions": bank}) for one in archetypes]


def archetypes_in(folder: Path) -> list[Archetype]:
    """Read every `*.yaml` of a plain folder; a folder that is not there holds none."""
    return [Archetype.from_yaml(read_text(path), source=str(path)) for path in sorted(folder.glob("*.yaml"))]


def interleave(topics: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the questions of all topics in turn, so that any leading part covers every topic evenly."""
    columns = [list(questions) for questions in topics.values()]
    longest = max((len(column) for column in columns), default=0)
    return tuple(column[row] for row in range(longest) for column in columns if row < len(column))


def _yaml_files(folder: Traversable) -> Iterator[Traversable]:
    return iter(sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name))


def _read(entry: Traversable) -> Archetype:
    return Archetype.from_yaml(entry.read_text(encoding="utf-8"), source=entry.name)


def _bank(folder: Traversable) -> tuple[str, ...]:
    entry = folder / QUESTIONS_FILE
    if not entry.is_file():
        return ()
    return interleave(read_yaml(entry.read_text(encoding="utf-8")))
