"""Where a model's vectors are: the workspace first, then the ready-made folders; and what may be used with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class VectorStore:
    """One model's folder in the workspace, over read-only folders of ready-made vectors."""

    slug: str
    workspace: Path
    ready_made: Sequence[Path] = ()

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
        return _checked(Axis.load(self._part(part)), identity, part)

    def baseline(self, identity: ModelIdentity | None = None) -> Baseline:
        """Return the baseline; raise `VectorNotFound` with the command that makes it, or `VectorMismatch`."""
        return _checked(Baseline.load(self._part(BASELINE)), identity, BASELINE)

    def persona(self, name: str, identity: ModelIdentity | None = None) -> PersonaVector:
        """Return a persona; raise `VectorNotFound`, `VectorCorrupt` or `VectorMismatch`."""
        return _checked(PersonaVector.load(self.find_persona(name)), identity, f"persona {name!r}")

    def _part(self, part: str) -> Path:
        path = self.part_path(part)
        if path is None:
            raise VectorNotFound(f"no {part.replace('_', ' ')} for {self.slug}; run `persona-steer extract-axes`")
        return path


def _checked(vector: V, identity: ModelIdentity | None, what: str) -> V:
    if identity is not None:
        vector.header.model.check(identity, what)
    return vector
