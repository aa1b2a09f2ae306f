"""The dose and matrix pictures draw a saved report, and say what is missing in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from persona_core import PersonaManager, get_config
from persona_core.errors import PlotError
from persona_core.evaluation.report import EvaluationReport
from persona_core.reports.plots.saved_report import dose_figures, measured_effect, read_report, shown_matrices


@pytest.fixture
def manager(workspace_folder: Path) -> PersonaManager:
    return PersonaManager(get_config(workspace_folder, model="smollm2"))


@pytest.fixture
def saved(make_report: Callable[..., EvaluationReport], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that saves an invented report with some fields changed."""

    def save(**changes: object) -> Path:
        path = tmp_path / "report.json"
        path.write_text(make_report().model_copy(update=changes).model_dump_json())
        return path

    return save


def test_a_report_comes_before_the_workspaces_own_and_that_before_calibration(
    manager: PersonaManager, saved: Callable[..., Path]
) -> None:
    calibrated = dose_figures(manager, None)
    assert "as calibration measured it" in calibrated.effect
    evaluated = dose_figures(manager, saved())
    assert "unused questions" in evaluated.effect
    own = manager.workspace.evaluation_report(manager.slug)
    own.parent.mkdir(parents=True)
    own.write_text(saved().read_text())
    assert dose_figures(manager, None) == evaluated
    own.write_text(saved(doses=None).read_text())
    assert dose_figures(manager, None) == calibrated


def test_a_given_report_without_the_part_is_an_error(manager: PersonaManager, saved: Callable[..., Path]) -> None:
    with pytest.raises(PlotError, match="holds no dose-response"):
        dose_figures(manager, saved(doses=None))
    path = saved(effect=None)
    with pytest.raises(PlotError, match="holds no effect"):
        measured_effect(read_report(path), path)


def test_vectors_are_drawn_beside_system_prompts(saved: Callable[..., Path]) -> None:
    path = saved()
    effect = measured_effect(read_report(path), path)
    assert list(shown_matrices(effect)) == ["persona vectors", "system prompts"]


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_file_that_is_no_report_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(PlotError, match="is no evaluation report"):
        read_report(tmp_path / "report.json")
    with pytest.raises(PlotError, match="no evaluation report .*gone"):
        read_report(tmp_path / "gone.json")
