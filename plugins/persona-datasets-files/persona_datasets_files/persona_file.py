"""Persona files: reads the prompts of both sides and the questions from every format that is supported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field

from persona_core import Record, Text, first_problem, read_text, read_yaml
from persona_core.errors import DatasetError
from persona_datasets_files.rows import is_table, read_rows

COLUMNS = ("persona_prompt", "default_prompt", "question")
_KEYS = "persona_prompts (or system_prompts), default_prompts, questions, description"


class PersonaText(Record):
    """The text of a persona. Where `default_prompts` or `questions` are empty, the usual ones are used."""

    model_config = ConfigDict(extra="forbid")

    persona_prompts: Annotated[tuple[Text, ...], Field(min_length=1)]
    default_prompts: tuple[str, ...] = ()
    questions: tuple[Text, ...] = ()
    description: str = ""
    name: str = ""
    tags: tuple[str, ...] = ()


class _Instruction(Record):
    model_config = ConfigDict(extra="forbid")

    pos: Text
    neg: Text


class _Trait(Record):
    """A trait as Persona Vectors writes it (arXiv 2507.21509); `eval_prompt` is for a judge and is not read."""

    model_config = ConfigDict(extra="forbid")

    instruction: Annotated[tuple[_Instruction, ...], Field(min_length=1)]
    questions: tuple[Text, ...] = ()
    eval_prompt: str = ""


def read_persona(path: Path) -> PersonaText:
    """Read a persona's file; raise `DatasetError` that names the file, the line or field, and what is expected."""
    return _from_rows(path) if is_table(path) else _from_document(path)


def parse_document(path: Path) -> dict[str, Any]:
    """Return the mapping of a YAML or JSON file; raise `DatasetError` with the line of broken text."""
    text = read_text(path)
    try:
        data = json.loads(text) if path.suffix.lower() == ".json" else read_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: {first_problem(error)}") from error
    if not isinstance(data, dict):
        raise DatasetError(f"{path}: expected a mapping with {_KEYS}; found {type(data).__name__}")
    return data


def _from_document(path: Path) -> PersonaText:
    data = parse_document(path)
    try:
        if "instruction" in data:
            return _of_trait(_Trait.model_validate(data))
        return PersonaText.model_validate(_renamed(path, data))
    except ValueError as error:
        raise DatasetError(f"{path}: {first_problem(error)}; expected {_KEYS}") from error


def _renamed(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    """Accept an archetype's key `system_prompts` for a dataset's `persona_prompts`."""
    if "system_prompts" not in data:
        return data
    if "persona_prompts" in data:
        raise DatasetError(f"{path}: system_prompts and persona_prompts mean the same; keep one of them")
    return {"persona_prompts" if key == "system_prompts" else key: value for key, value in data.items()}


def _of_trait(trait: _Trait) -> PersonaText:
    return PersonaText(
        persona_prompts=tuple(pair.pos for pair in trait.instruction),
        default_prompts=tuple(pair.neg for pair in trait.instruction),
        questions=trait.questions,
    )


def _from_rows(path: Path) -> PersonaText:
    """Put a table's columns together, each text once."""
    rows = [row for _, row in read_rows(path, COLUMNS)]
    persona, default, questions = (tuple(dict.fromkeys(filter(None, (r.get(c) for r in rows)))) for c in COLUMNS)
    if not persona:
        raise DatasetError(f"{path}: no {COLUMNS[0]} in any row; expected the columns {', '.join(COLUMNS)}")
    return PersonaText(persona_prompts=persona, default_prompts=default, questions=questions)
