"""Archives: reads the JSON members of a zip or tar archive, without writing any to the disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from persona_archetypes_files.reading import JsonFile, bounded, is_shown
from persona_core.errors import ArchetypeError

LONGEST_ARCHIVE = 2**28
"""bytes, unpacked"""
_UNREADABLE = (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, tarfile.TarError,
               lzma.LZMAError, zlib.error)  # fmt: skip
_UNPACK: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open, b"BZ": bz2.open}
"""first two bytes of a compressed file -> what opens it"""


@dataclass(frozen=True)
class _Member:
    name: str
    is_plain: bool
    open: Callable[[], IO[bytes] | None]


def archived(file: Path) -> list[JsonFile]:
    """Return the JSON members of an archive; raise `ArchetypeError` where it cannot be read or is too long."""
    try:
        members = _zip_members(file) if zipfile.is_zipfile(file) else _tar_members(file)
        return [_json_file(file, member) for member in members if _is_json(member.name)]
    except _UNREADABLE as error:
        told = f"cannot read the archive {file}: {error or type(error).__name__}"
        raise ArchetypeError(f"{told}; expected .zip, .tar, .tar.gz, .tar.xz or .tar.bz2 without a password") from error


def _is_json(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix == ".json" and is_shown([part for part in path.parts if part not in (".", "..")])


def _json_file(file: Path, member: _Member) -> JsonFile:
    inner = PurePosixPath(member.name)
    if inner.is_absolute() or ".." in inner.parts:
        return JsonFile(PurePosixPath(file.as_posix()), ArchetypeError(f"{file}: {member.name!r} leads out of it"))
    path = PurePosixPath(file.as_posix()) / inner
    opened = member.open() if member.is_plain else None
    if opened is None:
        return JsonFile(path, ArchetypeError(f"{path} is a link or no file; put the file itself into the archive"))
    with opened:
        return JsonFile(path, bounded(opened, str(path)))


def _zip_members(file: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        # No more than its stated size is ever unpacked of a member.
        if sum(info.file_size for info in members if _is_json(info.filename)) > LONGEST_ARCHIVE:
            raise _too_long(file)
        for info in members:
            is_plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
            yield _Member(info.filename, is_plain, lambda info=info: archive.open(info))  # type: ignore[misc]


def _tar_members(file: Path) -> Iterator[_Member]:
    with file.open("rb") as start:
        unpack = _UNPACK.get(start.read(2), open)
    with unpack(file, "rb") as raw:
        limited = _Limited(raw, file)
        with tarfile.open(fileobj=cast(IO[bytes], limited), mode="r|") as archive:
            for info in archive:
                yield _Member(info.name, info.isreg(), lambda info=info: archive.extractfile(info))  # type: ignore[misc]
        if limited.at_end:  # a whole archive has its end mark before; tarfile takes one cut between members as whole
            raise EOFError("it is cut short")


class _Limited:
    """A stream that is an error past the longest archive: headers of a tar file are read whole, whatever they claim."""

    def __init__(self, raw: IO[bytes], file: Path) -> None:
        self._raw, self._file, self._left = raw, file, LONGEST_ARCHIVE
        self.at_end = False

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        content = self._raw.read(size)
        self.at_end = not content
        self._left -= len(content)
        if self._left < 0:
            raise _too_long(self._file)
        return content


def _too_long(file: Path) -> ArchetypeError:
    return ArchetypeError(f"{file} unpacks to more than {LONGEST_ARCHIVE} bytes; unpack it, and name the folder")
