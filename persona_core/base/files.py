"""Files: write them whole or not at all, append lines, and read them with errors that name the file."""

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
    replace_atomically(path, lambda temporary: temporary.write_bytes(content))


def replace_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, then rename it to `path`; a failure or Ctrl-C leaves `path` as it was."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        _sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


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
    except OSError as error:
        raise WorkspaceError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise WorkspaceError(f"cannot read {path}: {error}") from error


@dataclass
class LineCache:
    """A disk cache with one JSON object a line: `{"key": KEY, CONTENT: [...]}`. Without a path it stays in memory.

    A killed run resumes from it: reading skips a line that was cut short.
    """

    path: Path | None
    content: str
    entries: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None, content: str) -> "LineCache":
        """Open the cache with the entries of earlier runs."""
        cache = cls(path, content)
        if path is not None and path.is_file():
            for line in read_text(path).splitlines():
                cache._read(line)
        return cache

    def add(self, entries: Mapping[str, list[Any]]) -> None:
        """Add entries in memory, and append them to the file."""
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
