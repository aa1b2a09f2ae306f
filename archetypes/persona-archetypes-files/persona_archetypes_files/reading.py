"""Reading: the JSON files under a path, bounded in size; a file that cannot be read has an error as its content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from persona_core.errors import ArchetypeError

LONGEST_FILE = 2**20
"""bytes; a published file has about 10 000"""


@dataclass(frozen=True)
class JsonFile:
    """A file's place, for messages and for its name, and its content, or why that cannot be had."""

    place: PurePosixPath
    content: bytes | ArchetypeError


def json_files(path: Path) -> list[JsonFile]:
    """Return the JSON files of a folder, of an archive, or of a folder in an archive: `axis.zip/data/roles`.

    A path to one JSON file gives that file. Hidden files are left out. Raises `ArchetypeError` where the path leads
    nowhere or an archive cannot be read.
    """
    if path.is_dir():
        return _in_folder(path)
    if path.suffix == ".json" and path.is_file():
        return [JsonFile(PurePosixPath(path.as_posix()), _on_disk(path))]
    for parent in (path, *path.parents):
        if parent.is_file():
            return _in_archive(parent, path)
    raise ArchetypeError(f"{path} is not there; name a folder, an archive, a folder in an archive, or a JSON file")


def is_shown(parts: Sequence[str]) -> bool:
    """Tell whether neither a file nor a folder above it is hidden."""
    return not any(part.startswith(".") for part in parts)


def bounded(file: IO[bytes], place: str) -> bytes | ArchetypeError:
    """Return a file's content, or an error where it is too long."""
    content = file.read(LONGEST_FILE + 1)
    if len(content) > LONGEST_FILE:
        return ArchetypeError(f"{place} is longer than {LONGEST_FILE} bytes, which no persona file is")
    return content


def _in_folder(folder: Path) -> list[JsonFile]:
    root = folder.resolve()
    files = []
    for path in sorted(folder.rglob("*.json")):
        if is_shown(path.relative_to(folder).parts):
            inside = path.resolve().is_relative_to(root)
            content = _on_disk(path) if inside else ArchetypeError(f"{path} is a link that leads out of {folder}")
            files.append(JsonFile(PurePosixPath(path.as_posix()), content))
    return files


def _on_disk(path: Path) -> bytes | ArchetypeError:
    try:
        with path.open("rb") as file:
            return bounded(file, str(path))
    except OSError as error:
        return ArchetypeError(f"cannot read {path}: {error.strerror or error}")


def _in_archive(file: Path, path: Path) -> list[JsonFile]:
    from persona_archetypes_files.archives import archived

    folder = PurePosixPath(path.as_posix())
    inside = [member for member in archived(file) if member.place.is_relative_to(folder)]
    if not inside:
        raise ArchetypeError(f"{path}: the archive has no JSON file there")
    return sorted(inside, key=lambda member: member.place)
