"""VectorStore: the workspace's files over the ready-made ones, each read once until it changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from persona_core.errors import VectorMismatch, VectorNotFound
from persona_core.testing.examples import example_axis
from persona_core.vectors import file as vector_file
from persona_core.vectors.file import ModelIdentity
from persona_core.vectors.store import ASSISTANT, BASELINE, SAFETY, VectorStore
from persona_core.vectors.vector import Baseline, PersonaVector

MakeVector = Callable[..., PersonaVector]


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    """A workspace over one folder of ready-made vectors; both are empty."""
    return VectorStore("tiny", tmp_path / "own", [tmp_path / "ready"])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths of the vector files whose numbers are read from now on."""
    paths: list[Path] = []
    read = vector_file.read_tensors

    def counted(path: Path) -> object:
        paths.append(path)
        return read(path)

    monkeypatch.setattr(vector_file, "read_tensors", counted)
    return paths


def test_the_workspaces_file_hides_a_ready_made_one(
    store: VectorStore, tmp_path: Path, make_vector: MakeVector
) -> None:
    ready = tmp_path / "ready" / "tiny" / "personas"
    for name in ("sage", "creator"):
        make_vector(name).save(ready / f"{name}.safetensors")
    make_vector("sage", seed=1).save(store.persona_path("sage"))
    assert store.personas() == {"creator": ready / "creator.safetensors", "sage": store.persona_path("sage")}
    assert store.persona("sage").raw.equal(make_vector("sage", seed=1).raw)


def test_what_is_saved_is_what_is_read(store: VectorStore, make_vector: MakeVector) -> None:
    sage, safety = make_vector("sage"), example_axis("safety")
    header = safety.header.model_copy(update={"kind": "baseline", "name": BASELINE})
    baseline = Baseline(header, safety.directions, safety.directions.norm(dim=-1))
    paths = [store.save(vector) for vector in (sage, safety, baseline)]
    assert paths == [store.persona_path("sage"), store.part_path(SAFETY), store.part_path(BASELINE)]
    assert store.persona("sage").raw.equal(sage.raw)
    assert store.axis(SAFETY).directions.equal(safety.directions)
    assert store.baseline().mean.equal(baseline.mean)
    assert store.part_path(ASSISTANT) is None


def test_a_file_is_read_once_until_it_is_written_again(
    store: VectorStore, make_vector: MakeVector, reads: list[Path]
) -> None:
    path = store.persona_path("sage")
    make_vector("sage", seed=1).save(path)
    first = [store.persona("sage") for _ in range(3)]
    assert reads == [path]
    assert first[0] is first[2]
    make_vector("sage", seed=2).save(path)
    assert not store.persona("sage").raw.equal(first[0].raw)
    assert reads == [path, path]


def test_a_file_that_is_gone_is_not_answered_from_memory(store: VectorStore, make_vector: MakeVector) -> None:
    path = store.persona_path("sage")
    make_vector("sage").save(path)
    store.persona("sage")
    path.unlink()
    with pytest.raises(VectorNotFound, match="no persona named 'sage'"):
        store.persona("sage")


def test_a_vector_in_memory_is_still_refused_for_another_model(
    store: VectorStore, make_vector: MakeVector, identity: ModelIdentity
) -> None:
    make_vector("sage").save(store.persona_path("sage"))
    store.persona("sage", identity)
    with pytest.raises(VectorMismatch):
        store.persona("sage", identity.model_copy(update={"fingerprint": "another"}))


def test_a_missing_axis_names_the_command_that_makes_it(store: VectorStore) -> None:
    with pytest.raises(VectorNotFound, match="no safety axis for tiny; run `persona-steer extract-axes`"):
        store.axis("safety_axis")
