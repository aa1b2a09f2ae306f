"""`plugins check` says so where a package does not install, never ends, or is not there."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from persona_core.cli import build_cli
from persona_core.plugins.loading import load_plugins


def invoke(*arguments: str) -> Result:
    """Run a command about packages, with the built-in plugin alone."""
    return CliRunner().invoke(build_cli(load_plugins(installed=[])), ["plugins", *arguments])


@pytest.mark.slow
def test_a_folder_that_does_not_install_is_a_failed_line_with_pips_own_reason(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n[project]\nname = "persona-x"\n'
    )
    result = invoke("check", str(tmp_path))
    assert result.exit_code == 1
    assert "FAILED   installs: " in result.stdout
    assert "version" in result.stdout
    assert "mend it: python -m pip install --no-deps " in result.stdout
    assert result.stdout.endswith("1 checks, 1 FAILED\n")


@pytest.mark.slow
def test_a_folder_whose_installation_never_ends_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "endless"\nbackend-path = ["."]\n'
    )
    (tmp_path / "endless.py").write_text("while True: pass\n")
    result = invoke("check", str(tmp_path), "--timeout", "4")
    assert result.exit_code == 1
    assert "FAILED   installs: it did not end within 4 s and was stopped\n" in result.stdout


def test_a_package_that_is_not_there_is_an_error_with_the_nearest_name() -> None:
    result = invoke("check", "persona-archetype-base")
    assert result.exit_code == 1
    assert "did you mean 'persona-archetypes-base'?" in result.stderr
