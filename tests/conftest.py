"""One loaded model a process, and a temporary workspace for every test; small vectors for those without a model."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, cast

import pytest
import torch

from persona_core.evaluation.report import EvaluationReport
from persona_core.settings.plugin_choice import PLUGINS_VARIABLE
from persona_core.vectors.file import Calibration, ModelIdentity, VectorHeader
from persona_core.vectors.vector import PersonaVector

if TYPE_CHECKING:
    from persona_core import ModelWrapper, SteeringEngine

VectorMaker = Callable[..., PersonaVector]
Install = Callable[..., Distribution]


@pytest.fixture(autouse=True)
def workspace_folder(persona_home: Path) -> Path:
    """Point every test at a temporary workspace."""
    return persona_home


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest) -> ModelWrapper:
    """The real embedded model. Here a test that cannot have it fails: skipped, it would pass for tested."""
    try:
        return cast("ModelWrapper", request.getfixturevalue("embedded_model"))
    except pytest.skip.Exception as reason:
        pytest.fail(str(reason))


@pytest.fixture(scope="session")
def engine(model: ModelWrapper) -> SteeringEngine:
    """An engine on the real model."""
    from persona_core import SteeringEngine

    return SteeringEngine(model)


@pytest.fixture(scope="session")
def identity() -> ModelIdentity:
    """A model of 4 layers of 8."""
    return ModelIdentity(name="tiny", slug="tiny", fingerprint="f1", template_hash="t1", n_layers=4, hidden_size=8)


@pytest.fixture(scope="session")
def header(identity: ModelIdentity) -> VectorHeader:
    """The header of a calibrated persona that is steered at layers 1 and 2."""
    return VectorHeader(
        kind="persona",
        name="sage",
        description="a calm old teacher – 賢者",
        model=identity,
        target_layers=(1, 2),
        calibration=Calibration(dose=0.4, damage_budget=0.5, damage=0.45, gain=0.2, curve=((0.4, 0.45, 0.2),)),
        guided=Calibration(dose=0.3, damage_budget=0.5, damage=0.45, gain=0.2, guidance=3.0),
        versions={"torch": "2"},
        measured={"cosine": 0.9, "by_layer": [0.1, 0.2]},
    )


@pytest.fixture(scope="session")
def make_vector(header: VectorHeader) -> VectorMaker:
    """Return a function from a name and a seed to a persona vector."""

    def make(name: str = "sage", seed: int = 0) -> PersonaVector:
        random = torch.Generator().manual_seed(seed)
        return PersonaVector(
            header.model_copy(update={"name": name}),
            directions=torch.randn(4, 8, generator=random),
            raw=torch.randn(4, 8, generator=random),
            residual_norm=torch.rand(4, generator=random) + 1,
        )

    return make


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that lasts the whole run, for Hypothesis tests that write files."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="session")
def make_report() -> Callable[..., EvaluationReport]:
    """Return a function that makes a whole evaluation report of invented figures."""
    from invented_report import invented_report

    return invented_report


@pytest.fixture(scope="session")
def report(make_report: Callable[..., EvaluationReport]) -> EvaluationReport:
    """An evaluation report with every part."""
    return make_report()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Install:
    """Return a function from a name and a module's source to an installed distribution."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(PLUGINS_VARIABLE, raising=False)
    prefix = f"plug_{abs(hash(request.node.nodeid))}_"

    def make(name: str, source: str, entry_points: str | None = None) -> Distribution:
        module = prefix + name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(dedent(source))
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points or f"[persona_core]\nplugin = {module}\n")
        return Distribution.at(info)

    return make
