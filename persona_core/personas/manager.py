"""PersonaManager: creates, finds, lists, reads, saves, deletes, restores, loads and unloads a model's personas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from persona_core.base.files import write_atomically
from persona_core.base.names import check_name, check_new_persona, suggestion
from persona_core.errors import ArchetypeError, PluginError, VectorError, VectorNotFound, WorkspaceError
from persona_core.personas.archetype import Archetype, archetypes_in
from persona_core.personas.state import WorkspaceState, read_state, write_state
from persona_core.settings.config import Config
from persona_core.settings.installed import BUILTIN, PluginManager
from persona_core.vectors.file import ModelIdentity, VectorHeader, read_arrays
from persona_core.vectors.store import BASELINE, VectorStore

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from persona_core.vectors.vector import PersonaVector

OWN = "workspace"


@dataclass(frozen=True)
class PersonaEntry:
    """A row of `persona-steer list`: an extracted persona, a damaged file, or an archetype not yet extracted."""

    name: str
    source: str
    description: str
    header: VectorHeader | None = None
    problem: str = ""
    loaded: bool = False


class PersonaManager:
    """The personas of the configured model: the workspace's own hide ready-made ones. It needs no loaded model."""

    def __init__(self, config: Config, *, plugins: PluginManager | None = None) -> None:
        self.config = config if plugins is None else config.opened_with(plugins)
        self.workspace = self.config.workspace
        self.plugins = self.config.installed
        self.slug = self.config.slug

    @cached_property
    def store(self) -> VectorStore:
        """The files of this model's vectors."""
        ready_made = [Path(folder) for folder in self.plugins.values("register_vector_dirs")]
        return VectorStore(self.slug, self.workspace.vectors, ready_made)

    @cached_property
    def archetypes(self) -> dict[str, tuple[Archetype, str]]:
        """Name -> (archetype, where it comes from); the workspace's own hide a package's of the same name."""
        registered = self.plugins.registry("register_archetypes")
        archetypes = {name: (entry.value, entry.distribution) for name, entry in registered.items()}
        archetypes |= {archetype.name: (archetype, OWN) for archetype in archetypes_in(self.workspace.archetypes)}
        return dict(sorted(archetypes.items()))

    def forget_archetypes(self) -> None:
        """Let the next use of `archetypes` read the workspace's files again."""
        vars(self).pop("archetypes", None)

    def archetype(self, name: str) -> Archetype:
        """Return an archetype; raise `ArchetypeError` with the nearest name."""
        check_name(name, ArchetypeError, "archetype")
        if name not in self.archetypes:
            raise ArchetypeError(f"no archetype named {name!r}{suggestion(name, self.archetypes)}")
        return self.archetypes[name][0]

    def question_bank(self) -> tuple[str, ...]:
        """Return the reference archetypes' questions; raise `PluginError` where none of them is installed."""
        for name in self.config.extraction.reference_archetypes:
            if name in self.archetypes:
                return self.archetypes[name][0].questions
        raise PluginError("no reference archetype is installed: `python -m pip install persona-archetypes-base`")

    def entries(self) -> list[PersonaEntry]:
        """Return the extracted personas and the archetypes that are not extracted yet, sorted by name."""
        state = self._state()
        hidden, loaded = state.hidden_personas(self.slug), self._loaded(state)
        entries = {
            name: _entry(name, header, name in loaded) for name, _, header in self.store.headers() if name not in hidden
        }
        for name, (archetype, source) in self.archetypes.items():
            entries.setdefault(name, PersonaEntry(name, source, archetype.description))
        return [entries[name] for name in sorted(entries)]

    def names(self) -> list[str]:
        """Return the names of the personas that can be steered with."""
        return list(self.paths())

    def paths(self) -> dict[str, Path]:
        """Return name -> file of the personas that can be steered with."""
        return self._paths(self._state())

    def persona(self, name: str, identity: ModelIdentity | None = None) -> PersonaVector:
        """Return a persona's vector; the store reads its file again only when the file has changed."""
        self.require(name)
        return self.store.persona(name, identity)

    def require(self, name: str) -> Path:
        """Return a persona's file; raise a `VectorNotFound` that says whether it can be extracted or restored."""
        check_name(name, VectorNotFound)
        state = self._state()
        paths = self._paths(state)
        if name in paths:
            return paths[name]
        if name in self._deleted(state):
            raise VectorNotFound(f"persona {name!r} is deleted; bring it back with `persona-steer restore {name}`")
        if name in self.archetypes:
            raise VectorNotFound(f"{name!r} is not extracted for {self.slug} yet; run `persona-steer extract {name}`")
        near = suggestion(name, {*paths, *self.archetypes})
        see_list = "" if near.endswith("?") else "; see `persona-steer list`"
        raise VectorNotFound(f"no persona named {name!r} for {self.slug}{near}{see_list}")

    def save(self, vector: PersonaVector) -> Path:
        """Write a persona into the workspace."""
        path = self.store.save(vector)
        self._show(vector.name)
        return path

    def create_from_data(
        self, name: str, raw_vector: Float[Tensor, "layer hidden"], description: str, **header: object
    ) -> PersonaVector:
        """Make a persona from a raw mean difference, centre it on the reference personas, and save it uncalibrated.

        `extract-axes` must have made the model's baseline, which holds the model's identity and residual norms.
        """
        from persona_core.personas.building import build_persona

        if name in self.names():
            raise WorkspaceError(f"persona {name!r} is there already; delete it first or choose another name")
        baseline = self.store.baseline()
        vector = build_persona(
            check_new_persona(name), raw_vector, description, self.store, self.config, baseline, header
        )
        self.save(vector)
        return vector

    def delete(self, name: str) -> None:
        """Move a persona of the workspace to the trash, or hide a ready-made one."""
        path = self.require(name)
        self.unload([name])
        if path.is_relative_to(self.workspace.vectors):
            write_atomically(self._trashed(name), path.read_bytes())
            self._unlink(path)
        if name in self.store.personas():
            self._hide(name)

    def restore(self, name: str) -> None:
        """Bring a deleted persona back; raise `VectorNotFound` where none was deleted under this name."""
        check_name(name, VectorNotFound)
        trashed, state = self._trashed(name), self._state()
        deleted = self._deleted(state)
        if name not in deleted:
            raise VectorNotFound(f"no deleted persona named {name!r}{suggestion(name, deleted)}")
        if trashed.is_file() and name not in self._paths(state):
            write_atomically(self.store.persona_path(name), trashed.read_bytes())
            self._unlink(trashed)
        self._show(name)

    def load(self, names: Iterable[str]) -> list[str]:
        """Check that personas can be read, add them to the active set, and return the set."""
        names = list(names)
        for name in names:
            read_arrays(self.require(name))
        state = self._state()
        return self._set_loaded(state, [*self._loaded(state), *names])

    def unload(self, names: Iterable[str] | None = None) -> list[str]:
        """Take these personas, or all, out of the active set, and return the set."""
        state = self._state()
        loaded = self._loaded(state)
        unloaded = set(loaded if names is None else names)
        return self._set_loaded(state, [name for name in loaded if name not in unloaded])

    def loaded(self) -> list[str]:
        """Return the active set."""
        return self._loaded(self._state())

    def has_baseline(self) -> bool:
        """Tell whether this model's axes and baseline have been made."""
        return self.store.part_path(BASELINE) is not None

    def _paths(self, state: WorkspaceState) -> dict[str, Path]:
        hidden = state.hidden_personas(self.slug)
        return {name: path for name, path in self.store.personas().items() if name not in hidden}

    def _loaded(self, state: WorkspaceState) -> list[str]:
        known = self._paths(state)
        return [name for name in state.loaded.get(self.slug, []) if name in known]

    def _deleted(self, state: WorkspaceState) -> list[str]:
        trashed = {path.stem for path in self._trashed("x").parent.glob("*.safetensors")}
        return sorted(trashed | state.hidden_personas(self.slug))

    def _trashed(self, name: str) -> Path:
        return self.workspace.trash / self.slug / f"{name}.safetensors"

    def _unlink(self, path: Path) -> None:
        try:
            path.unlink()
        except OSError as error:
            raise WorkspaceError(f"cannot delete {path}: {error.strerror}") from error

    def _state(self) -> WorkspaceState:
        return read_state(self.workspace.state_file)

    def _hide(self, name: str) -> None:
        state = self._state()
        state.hidden[self.slug] = sorted({*state.hidden.get(self.slug, []), name})
        write_state(self.workspace.state_file, state)

    def _show(self, name: str) -> None:
        state = self._state()
        if name in state.hidden.get(self.slug, []):
            state.hidden[self.slug].remove(name)
            write_state(self.workspace.state_file, state)

    def _set_loaded(self, state: WorkspaceState, names: Iterable[str]) -> list[str]:
        state.loaded[self.slug] = list(dict.fromkeys(names))
        write_state(self.workspace.state_file, state)
        return self._loaded(state)


def _entry(name: str, header: VectorHeader | VectorError, loaded: bool) -> PersonaEntry:
    if isinstance(header, VectorError):
        return PersonaEntry(name, OWN, "", problem=str(header))
    return PersonaEntry(name, header.source or OWN, header.description, header, loaded=loaded)


def source_of(distribution: str) -> str:
    """Return where a package's persona comes from, in words."""
    return "built in" if distribution == BUILTIN else distribution
