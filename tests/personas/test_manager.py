"""PersonaManager: what it reads from disk, and names that are deleted, restored, loaded and unloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from persona_core.errors import ExtractionError, VectorNotFound
from persona_core.personas import manager as module
from persona_core.personas.manager import PersonaManager
from persona_core.personas.state import WorkspaceState, read_state
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.opening import get_config
from persona_core.vectors.vector import PersonaVector

OWN = [f"own{number:02}" for number in range(35)]
BASE = ["creator", "explorer", "guardian", "sage", "trickster"]


@pytest.fixture
def manager(workspace_folder: Path, make_vector: Callable[..., PersonaVector]) -> PersonaManager:
    """A workspace of 35 personas beside the five that are ready made; five are loaded."""
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    manager = PersonaManager(get_config(plugins=load_plugins()))
    for name in OWN:
        make_vector(name).save(manager.store.persona_path(name))
    manager.load(BASE)
    return manager


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths of the state files that are read from now on."""
    paths: list[Path] = []

    def counted(path: Path) -> WorkspaceState:
        paths.append(path)
        return read_state(path)

    monkeypatch.setattr(module, "read_state", counted)
    return paths


def test_the_state_is_read_once_for_forty_entries(manager: PersonaManager, reads: list[Path]) -> None:
    entries = [entry for entry in manager.entries() if entry.header is not None]
    assert len(entries) == 40
    assert [entry.name for entry in entries if entry.loaded] == BASE
    assert len(reads) == 1


@pytest.mark.parametrize("call", ["names", "paths", "loaded"])
def test_the_state_is_read_once_for_a_list_of_names(manager: PersonaManager, reads: list[Path], call: str) -> None:
    assert list(getattr(manager, call)()) == (BASE if call == "loaded" else sorted([*BASE, *OWN]))
    assert len(reads) == 1


def test_the_state_is_read_once_to_find_a_persona_or_to_say_that_there_is_none(
    manager: PersonaManager, reads: list[Path]
) -> None:
    manager.require("own07")
    with pytest.raises(VectorNotFound, match="did you mean 'own07'"):
        manager.require("own007")
    assert len(reads) == 2


def test_a_deleted_persona_is_neither_named_nor_loaded_until_it_is_restored(manager: PersonaManager) -> None:
    for name in ("sage", "own03"):
        before = manager.require(name).read_bytes()
        manager.load([name])
        manager.delete(name)
        assert name not in manager.names()
        assert name not in manager.loaded()
        with pytest.raises(VectorNotFound, match=f"restore {name}"):
            manager.persona(name)
        manager.restore(name)
        assert manager.require(name).read_bytes() == before
        assert name not in manager.loaded()


def test_unloading_nothing_by_name_unloads_all(manager: PersonaManager) -> None:
    assert manager.unload(["sage", "nobody"]) == ["creator", "explorer", "guardian", "trickster"]
    assert manager.unload() == []


def test_a_persona_that_is_saved_again_is_read_again(
    manager: PersonaManager, make_vector: Callable[..., PersonaVector]
) -> None:
    manager.save(make_vector("own01", seed=1))
    first = manager.persona("own01")
    assert manager.persona("own01") is first
    manager.save(make_vector("own01", seed=2))
    assert not manager.persona("own01").raw.equal(first.raw)


def test_create_from_data_refuses_another_shape_and_keeps_what_it_is_given(workspace_folder: Path) -> None:
    manager = PersonaManager(get_config(workspace_folder, model="smollm2"))
    with pytest.raises(ExtractionError, match="30 layers of 576"):
        manager.create_from_data("wrong", torch.zeros(3, 4), "of another model")
    raw = torch.randn(30, 576, generator=torch.Generator().manual_seed(0))
    vector = manager.create_from_data("mine", raw, "a random direction")
    assert torch.equal(manager.persona("mine").raw, raw)
    safety = manager.store.axis("safety_axis").directions
    assert float((vector.directions * safety).sum(-1).abs().max()) < 1e-3
