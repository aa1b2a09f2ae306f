"""Where a model's vectors are: the workspace first, then the ready-made folders; and what may be used with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from persona_core.base.names import check_name, suggestion
from persona_core.errors import VectorError, VectorNotFound
from persona_core.vectors.file import ModelIdentity, VectorHeader, read_header
from persona_core.vectors.vector import Axis, Baseline, PersonaVector

V = TypeVar("V", Axis, Baseline, PersonaVector)
SAFETY = "safety_axis"
ASSISTANT = "assistant_axis"
BASELINE = "assistant_baseline"
_Stamp = tuple[int, int, int]
"""(inode, size in bytes, time of the last change in ns): differs once a file has been written again."""


@dataclass(frozen=True)
class VectorStore:
    """One model's folder in the workspace, over read-only folders of ready-made vectors."""

    slug: str
    workspace: Path
    ready_made: Sequence[Path] = ()
    _kept: dict[Path, tuple[_Stamp, Axis | Baseline | PersonaVector]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """What was read of each file, with the file's stamp at that time."""

    @property
    def own(self) -> Path:
        """The folder that is written to."""
        return self.workspace / self.slug

    @property
    def folders(self) -> list[Path]:
        """Every folder that is read, the workspace's own first."""
        return [self.own, *(folder / self.slug for folder in self.ready_made)]

    def persona_path(self, name: str) -> Path:
        """Return where a persona is written."""
        return self.own / "personas" / f"{check_name(name)}.safetensors"

    def personas(self) -> dict[str, Path]:
        """Return name -> file; the workspace's own file hides a ready-made one of the same name."""
        found: dict[str, Path] = {}
        for folder in reversed(self.folders):
            found |= {path.stem: path for path in sorted((folder / "personas").glob("*.safetensors"))}
        return dict(sorted(found.items()))

    def find_persona(self, name: str) -> Path:
        """Return a persona's file; raise `VectorNotFound` with the nearest name."""
        check_name(name, VectorNotFound)
        known = self.personas()
        if name not in known:
            raise VectorNotFound(
                f"no persona named {name!r} for {self.slug}{suggestion(name, known)}; see `persona-steer list`"
            )
        return known[name]

    def headers(self) -> Iterator[tuple[str, Path, VectorHeader | VectorError]]:
        """Yield every persona with its header, or with what is wrong with its file."""
        for name, path in self.personas().items():
            try:
                yield name, path, read_header(path)
            except VectorError as error:
                yield name, path, error

    def part_path(self, part: str) -> Path | None:
        """Return the file of an axis or the baseline, or None where there is none."""
        paths = (folder / f"{part}.safetensors" for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def axis(self, part: str, identity: ModelIdentity | None = None) -> Axis:
        """Return an axis; raise `VectorNotFound` with the command that makes it, or `VectorMismatch`."""
        return _checked(self._read(Axis, self._part(part)), identity, part)

    def baseline(self, identity: ModelIdentity | None = None) -> Baseline:
        """Return the baseline; raise `VectorNotFound` with the command that makes it, or `VectorMismatch`."""
        return _checked(self._read(Baseline, self._part(BASELINE)), identity, BASELINE)

    def persona(self, name: str, identity: ModelIdentity | None = None) -> PersonaVector:
        """Return a persona; raise `VectorNotFound`, `VectorCorrupt` or `VectorMismatch`."""
        return _checked(self._read(PersonaVector, self.find_persona(name)), identity, f"persona {name!r}")

    def save(self, vector: Axis | Baseline | PersonaVector) -> Path:
        """Write a vector into the workspace, whole or not at all, and return its file."""
        path = self._written_path(vector.header)
        vector.save(path)
        return path

    def _written_path(self, header: VectorHeader) -> Path:
        if header.kind == "persona":
            return self.persona_path(header.name)
        return self.own / f"{BASELINE if header.kind == 'baseline' else f'{header.name}_axis'}.safetensors"

    def _read(self, kind: type[V], path: Path) -> V:
        """Return a file's vector: from memory until the file changes. Nobody may write to its tensors."""
        stamp = _stamp(path)
        kept_stamp, vector = self._kept.get(path, (None, None))
        if stamp is None or kept_stamp != stamp or not isinstance(vector, kind):
            vector = kind.load(path)
            if stamp is not None:
                self._kept[path] = stamp, vector
        return vector

    def _part(self, part: str) -> Path:
        path = self.part_path(part)
        if path is None:
            raise VectorNotFound(f"no {part.replace('_', ' ')} for {self.slug}; run `persona-steer extract-axes`")
        return path


def _stamp(path: Path) -> _Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _checked(vector: V, identity: ModelIdentity | None, what: str) -> V:
    if identity is not None:
        vector.header.model.check(identity, what)
    return vector
