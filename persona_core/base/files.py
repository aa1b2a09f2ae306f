"""Files: written whole or not at all, appended to line by line, and read with an error that names them."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from persona_core.errors import WorkspaceError


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write `data` to a temporary file beside `path`, fsync it, and rename it into place."""
    content = data.encode("utf-8") if isinstance(data, str) else data
    replace_atomically(path, lambda part: part.write_bytes(content))


def replace_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, then rename it over `path`; a failure or Ctrl-C leaves `path` as it was."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from error
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        _sync(part)
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Append lines and fsync them: after a kill, at most the last line is cut short."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """Return a file's text; raise `WorkspaceError` that names it where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"cannot read {path}: {error}") from error


@dataclass
class LineCache:
    """A disk cache of JSON lines, one entry a line: `{"key": KEY, CONTENT: [...]}`; in memory alone without a path.

    A run that was killed resumes from it: a line that was cut short is ignored.
    """

    path: Path | None
    content: str
    entries: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None, content: str) -> "LineCache":
        """Read the entries that earlier runs have kept."""
        cache = cls(path, content)
        if path is not None and path.is_file():
            for line in read_text(path).splitlines():
                cache._read(line)
        return cache

    def add(self, entries: Mapping[str, list[Any]]) -> None:
        """Keep entries, in memory and on disk."""
        self.entries |= entries
        if self.path is not None:
            append_lines(self.path, [json.dumps({"key": key, self.content: entry}) for key, entry in entries.items()])

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
            self.entries[entry["key"]] = entry[self.content]
        except (ValueError, KeyError, TypeError):
            return


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
