"""Files: write them whole or not at all, append lines, and read them with errors that name the file."""

import errno
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from persona_core.errors import WorkspaceError


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write `data` to a temporary file beside `path`, fsync it, and rename it into place."""
    content = data.encode("utf-8") if isinstance(data, str) else data
    replace_atomically(path, lambda temporary: temporary.write_bytes(content))


def replace_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, then rename it to `path`; a failure or Ctrl-C leaves `path` as it was.

    A file keeps its mode, and a new one gets what the umask leaves. Where `path` is a link, it stays, and the file that
    it leads to is replaced.
    """
    real = Path(os.path.realpath(path))
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        temporary = _new_beside(real)
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        write(temporary)
        _sync(temporary)
        if real.is_file():
            temporary.chmod(stat.S_IMODE(real.stat().st_mode))
        temporary.replace(real)
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Append lines and fsync them: after a kill, at most the last line is cut short.

    An append that fails, such as on a full disk, is cut back: the file ends where it ended before.
    """
    text = "".join(f"{line}\n" for line in lines).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            _append(file, text)
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from error


def _append(file: FileIO, text: bytes) -> None:
    """Write all of a text at the end of a file, or none of it."""
    start = file.seek(0, os.SEEK_END)
    try:
        if file.write(text) != len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    except OSError:
        file.truncate(start)
        raise


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


def _new_beside(path: Path) -> Path:
    """Make an empty file in the same folder, with the mode that the umask leaves, and return its path."""
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(6)}.part")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
