"""Collecting: makes an archetype of each JSON file, named after the file, and an error for each that gives none."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field

from persona_archetypes_files.reading import JsonFile, json_files
from persona_core import Archetype, Record, Text, archetypes_from, check_name, first_problem
from persona_core.errors import ArchetypeError, PersonaError

DEFAULT = "default"
"""the Assistant Axis's file of the assistant itself, which is no persona"""
_EXPECTED = 'expected {"instruction": [{"pos": "You are ..."}, ...], "questions": ["...", ...], "eval_prompt": "..."}'
_DEFINED = re.compile(r"\*\*[^*]+\*\*\.\s*(.+?)(?:\n\n|\Z)", re.DOTALL)
"""what an eval_prompt says of a persona: after its name between stars, up to the empty line"""


class Instruction(Record):
    """A system prompt that brings a trait out, and for a trait one that keeps it in."""

    pos: Text
    neg: str = ""


class PublishedFile(Record):
    """A trait file of persona_vectors or assistant-axis, or a role file of assistant-axis; other keys do not count."""

    instruction: Annotated[tuple[Instruction, ...], Field(min_length=1)]
    questions: tuple[Text, ...] = ()
    eval_prompt: str = ""


def collect(places: Iterable[Path]) -> list[Archetype | PersonaError]:
    """Return an archetype for every file of the places, or the error that says why there is none.

    Of files that give the same name none is taken. A JSON file without any key of the layout is another file, and left
    out; a place with no other ones is an error.
    """
    errors: list[PersonaError] = []
    found: dict[str, dict[PurePosixPath, Archetype]] = defaultdict(dict)
    for place in places:
        for where, archetype in _of_place(place, errors):
            found[archetype.name][where] = archetype
    return [*_single(found, errors), *errors]


def read_archetype(data: Any, place: PurePosixPath) -> Archetype:
    """Return the archetype of a file's content; raise `ArchetypeError` that names the file, and what is expected."""
    try:
        published = PublishedFile.model_validate(data)
    except ValueError as error:
        raise ArchetypeError(f"{place}: {first_problem(error)}; {_EXPECTED}") from error
    kind = "trait" if any(one.neg for one in published.instruction) else "role"
    prompts = tuple(one.pos for one in published.instruction)
    return Archetype(
        name=_name(kind, place),
        description=_description(published.eval_prompt) or prompts[0],
        system_prompts=prompts,
        questions=published.questions or archetypes_from("persona_archetypes_base")[0].questions,
        tags=(kind, "published file"),
    )


def _of_place(place: Path, errors: list[PersonaError]) -> Iterator[tuple[PurePosixPath, Archetype]]:
    n_taken, n_errors = 0, len(errors)
    for file in _files(place, errors):
        try:
            data = _parsed(file)
            if _is_meant(data):
                yield file.place, read_archetype(data, file.place)
                n_taken += 1
        except PersonaError as error:
            errors.append(error)
    if not n_taken and len(errors) == n_errors:
        errors.append(ArchetypeError(f"{place} has no persona file; {_EXPECTED}"))


def _files(place: Path, errors: list[PersonaError]) -> Iterator[JsonFile]:
    try:
        yield from (file for file in json_files(place) if file.place.stem != DEFAULT)
    except PersonaError as error:
        errors.append(error)


def _parsed(file: JsonFile) -> Any:
    if isinstance(file.content, ArchetypeError):
        raise file.content
    try:
        return json.loads(file.content)
    except (ValueError, RecursionError) as error:
        raise ArchetypeError(f"{file.place} is not JSON: {first_problem(error)}; {_EXPECTED}") from error


def _is_meant(data: Any) -> bool:
    return isinstance(data, dict) and not data.keys().isdisjoint(PublishedFile.model_fields)


def _single(found: Mapping[str, Mapping[PurePosixPath, Archetype]], errors: list[PersonaError]) -> Iterator[Archetype]:
    for name, same in found.items():
        if len(same) == 1:
            yield from same.values()
        else:
            where = ", ".join(map(str, same))
            errors.append(ArchetypeError(f"{len(same)} files give {name!r}, and none is taken: {where}; keep one"))


def _name(kind: str, place: PurePosixPath) -> str:
    """Return a file's name in the letters that a persona's name may have, after what kind of file it is."""
    plain = unicodedata.normalize("NFKD", place.stem).encode("ascii", "ignore").decode().lower()
    safe = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")
    if not safe:
        raise ArchetypeError(f"{place}: its name has no letter of a-z and no digit; rename it")
    try:
        return check_name(f"{kind}-{safe}", ArchetypeError, "archetype")
    except ArchetypeError as error:
        raise ArchetypeError(f"{place}: {error}; rename it") from error


def _description(eval_prompt: str) -> str:
    match = _DEFINED.search(eval_prompt)
    return " ".join(match[1].split()) if match else ""
