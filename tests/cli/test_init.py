"""`init` makes a workspace, and keeps what somebody has edited."""

from collections.abc import Callable
from pathlib import Path

import click
from click.testing import CliRunner, Result

Run = Callable[..., Result]


def test_init_makes_a_workspace(cli: click.Group, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    result = CliRunner().invoke(cli, ["init", str(folder), "--model", "smollm2"])
    assert result.exit_code == 0, result.output
    assert "name: smollm2" in (folder / "config.yaml").read_text()
    assert (folder / "datasets" / "safety" / "safety.yaml").is_file()
    assert (folder / "datasets" / "personas" / "sage.yaml").is_file()
    assert (folder / "vectors").is_dir()


def test_init_again_keeps_what_was_edited(run: Run, workspace_folder: Path) -> None:
    run("init")
    config, sage = workspace_folder / "config.yaml", workspace_folder / "datasets" / "personas" / "sage.yaml"
    for path in (config, sage):
        path.write_text(path.read_text() + "# mine\n")
    edited = [config.read_text(), sage.read_text()]
    output = run("init").stdout
    assert f"kept {config}" in output
    assert f"kept {sage} (edited)" in output
    assert [config.read_text(), sage.read_text()] == edited


def test_init_of_a_workspace_of_another_model_is_refused(run: Run) -> None:
    run("init")
    said = run("init", "--model", "org/other", code=2).stderr
    assert "is a workspace of smollm2 already: `persona-steer config set model.name org/other` changes that" in said
    run("init", "--model", "smollm2")
