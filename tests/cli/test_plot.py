"""`persona-steer plot`: files, reports and conversations, from the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pictures import SIGNATURES, SLUG

from persona_core.cli import build_cli
from persona_core.evaluation.report import EvaluationReport
from persona_core.plugins.loading import load_plugins
from persona_core.reports.plots.theme import DARK, LIGHT


@pytest.fixture
def workspace(workspace_folder: Path) -> Path:
    """A workspace of the embedded model."""
    workspace_folder.mkdir(exist_ok=True)
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    return workspace_folder


def plot(*arguments: object, code: int = 0) -> Result:
    """Run `persona-steer plot`."""
    result = CliRunner().invoke(build_cli(load_plugins()), ["plot", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("kind", ["space", "layers", "dose"])
def test_plot_writes_kind_png_here_and_prints_its_path(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert plot(kind).stdout == f"{kind}.png\n"
    assert (tmp_path / f"{kind}.png").read_bytes().startswith(SIGNATURES["png"])
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [f"{kind}.png"]


def test_dark_pictures_are_dark(workspace: Path, tmp_path: Path) -> None:
    for flag, page in (("--dark", DARK.page), ("--light", LIGHT.page)):
        plot("space", "-o", tmp_path / "space.svg", flag)
        assert f"fill: {page}" in (tmp_path / "space.svg").read_text()


def test_drift_reads_a_file(workspace: Path, tmp_path: Path) -> None:
    talk = tmp_path / "talk.jsonl"
    talk.write_text("".join(f'{{"receipt": {{"assistant_projection": {value}}}}}\n' for value in (20, 12, 4)))
    plot("drift", talk, "-o", tmp_path / "drift.svg")
    assert "talk.jsonl" in (tmp_path / "drift.svg").read_text()
    assert "cannot read" in plot("drift", tmp_path / "none.jsonl", code=1).stderr


def test_matrix_and_dose_read_the_report_of_the_workspace(
    workspace: Path, tmp_path: Path, report: EvaluationReport
) -> None:
    path = workspace / "evaluations" / SLUG / "report.json"
    assert "as calibration measured it" in drawn_dose(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(report.model_dump_json())
    plot("matrix", "-o", tmp_path / "matrix.svg")
    assert "own persona highest in 5 of 5 rows" in (tmp_path / "matrix.svg").read_text()
    assert "replies to 4 unused questions" in drawn_dose(tmp_path)


def drawn_dose(folder: Path) -> str:
    """Return the text of the dose picture."""
    plot("dose", "-o", folder / "dose.svg")
    return (folder / "dose.svg").read_text()


def test_a_missing_or_wrong_report_names_the_command_that_makes_one(
    workspace: Path, tmp_path: Path, report: EvaluationReport
) -> None:
    path = tmp_path / "report.json"
    assert "run `persona-steer eval`" in plot("matrix", code=1).stderr
    for kind in ("matrix", "dose"):
        assert f"no evaluation report {path}" in plot(kind, "--report", path, code=1).stderr
    path.write_text('{"seed": 1}')
    assert "is no evaluation report: created: Field required" in plot("matrix", "--report", path, code=1).stderr
    path.write_text(report.model_copy(update={"effect": None, "doses": None}).model_dump_json())
    assert "holds no effect" in plot("matrix", "--report", path, code=1).stderr
    assert "holds no dose-response" in plot("dose", "--report", path, code=1).stderr


def test_a_wrong_suffix_leaves_no_file(workspace: Path, tmp_path: Path) -> None:
    assert "does not end in .png or .svg" in plot("space", "-o", tmp_path / "space.gif", code=1).stderr
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["--help", "space --help", "space", "layers", "dose", "drift {talk}"])
def test_pictures_of_vectors_need_no_torch_and_help_no_matplotlib(
    workspace: Path, tmp_path: Path, arguments: str
) -> None:
    talk = tmp_path / "talk.jsonl"
    talk.write_text('{"receipt": {"assistant_projection": 3}}\n')
    program = """
import sys
from persona_core.cli import build_cli
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.opening import get_config
try:
    build_cli(load_plugins())(args=["plot", *sys.argv[1:]])
finally:
    print(*sorted({"torch", "matplotlib", "numpy"} & set(sys.modules)), file=sys.stderr)
"""
    command = [sys.executable, "-c", program, *arguments.format(talk=talk).split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    loaded = done.stderr.splitlines()[-1].split()
    assert loaded == ([] if "--help" in arguments else ["matplotlib", "numpy"])


def test_without_matplotlib_the_error_says_what_to_install(workspace: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    said = plot("space", "-o", tmp_path / "space.png", code=1).stderr
    assert said == 'Error: pictures need matplotlib: run `python -m pip install "persona-core[plot]"`\n'
