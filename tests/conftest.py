"""One loaded model a process, and a temporary workspace for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def workspace_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every test at a temporary workspace."""
    home = tmp_path / "home"
    monkeypatch.setenv("PERSONA_STEER_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The real embedded model, with the bundled vectors and a workspace of its own."""
    from persona_core import ModelWrapper, get_config

    yield ModelWrapper(get_config(tmp_path_factory.mktemp("shared"), model="smollm2"))


@pytest.fixture(scope="session")
def engine(model):  # type: ignore[no-untyped-def]
    """An engine on the real model."""
    from persona_core import SteeringEngine

    return SteeringEngine(model)
