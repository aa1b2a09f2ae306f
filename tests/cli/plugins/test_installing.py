"""`plugins install` and `uninstall` run pip and say what came of it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
THROW_AWAY = "persona-throw-away-of-a-test"


@pytest.fixture
def throw_away(tmp_path: Path) -> Iterator[Path]:
    """A package on disk that is uninstalled whatever happens."""
    folder = tmp_path / "source"
    (folder / "persona_throw_away").mkdir(parents=True)
    (folder / "persona_throw_away" / "__init__.py").write_text(
        "from persona_core import Archetype, hookimpl\n\nHOOK_VERSION = 2\n\n\n@hookimpl\ndef register_archetypes():\n"
        "    return [Archetype(name='hermit', description='x', system_prompts=('You are x.',))]\n"
    )
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
        f'[project]\nname = "{THROW_AWAY}"\n'
        'version = "1.0"\nauthors = [{name = "A Test"}]\n\n[project.entry-points.persona_core]\n'
        'it = "persona_throw_away"\n\n[tool.hatch.build.targets.wheel]\npackages = ["persona_throw_away"]\n'
    )
    yield folder
    words = [sys.executable, "-m", "pip", "uninstall", "--yes", "--quiet", THROW_AWAY]
    subprocess.run(words, check=False, capture_output=True)


@pytest.mark.slow
def test_install_and_uninstall_wrap_pip_and_say_what_came(
    run: Run, throw_away: Path, workspace_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip's own way to say that it is off
    run("list")
    assert "nobody is there to answer; add --yes" in run("plugins", "install", str(throw_away), code=1).stderr
    came = run("plugins", "install", "--yes", str(throw_away)).stdout
    assert f"{THROW_AWAY} 1.0: loaded\n  register_archetypes: hermit" in came
    assert f"the plugin {THROW_AWAY} 1.0 (by A Test) is new" in run("list").stderr
    assert "written for version 2" in run("plugins", "show", THROW_AWAY).stdout
    assert "is uninstalled" in run("plugins", "uninstall", "--yes", THROW_AWAY).stdout
    assert THROW_AWAY not in [row["package"] for row in json.loads(run("plugins", "--json").stdout)]
    assert "no plugin package" in run("plugins", "uninstall", "--yes", "pip", code=1).stderr
    assert "pip install failed" in run("plugins", "install", "--yes", str(workspace_folder / "gone"), code=1).stderr
