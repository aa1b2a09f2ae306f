"""`doctor` checks machine, workspace and model, says what to do, and gives no path away."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import Result

from persona_core.base.findings import Finding
from persona_core.cli.doctor import finding_lines, unsuitable_tools

Run = Callable[..., Result]


@pytest.mark.usefixtures("model")
def test_doctor_finds_a_whole_installation_well(run: Run) -> None:
    lines = run("doctor").stdout.splitlines()
    assert lines[-1] == "all is as it should be"
    assert all(line.startswith("ok  ") for line in lines[:-1])
    assert any(line.startswith("ok    the floor holds at the next block: yes") for line in lines)


@pytest.mark.usefixtures("model")
def test_doctor_as_json_names_no_folder_of_the_user(run: Run, workspace_folder: Path) -> None:
    run("init")
    (workspace_folder / "vectors" / "smollm2-135m-instruct" / "personas").mkdir(parents=True, exist_ok=True)
    damaged = workspace_folder / "vectors" / "smollm2-135m-instruct" / "personas" / "sage.safetensors"
    damaged.write_bytes(b"no vector")
    said = run("doctor", "--json", code=1).stdout
    assert str(workspace_folder) not in said
    findings = json.loads(said)
    (vectors,) = [finding for finding in findings if finding["name"] == "vectors" and not finding["ok"]]
    assert vectors["detail"] == "damaged: sage"
    assert vectors["advice"] == "`persona-steer extract sage`"


def test_doctor_goes_on_where_the_configuration_is_broken(run: Run, workspace_folder: Path) -> None:
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  nam: x\n")
    said = run("doctor", code=1).stdout
    assert f"persona-core {version('persona-core')}" in said
    assert "FAIL  workspace: " in said


def test_every_installed_tool_suits() -> None:
    assert unsuitable_tools() == []


def test_a_finding_that_failed_says_what_to_do_in_a_second_line() -> None:
    assert finding_lines(Finding("disk", False, "full", "empty it")) == ["FAIL  disk: full", "      empty it"]
    assert finding_lines(Finding("disk", True, "free")) == ["ok    disk: free"]
