"""Every package of the repository, really installed by pip into a clean folder and found by its entry point."""

import json
import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from persona_core.plugins.loading import load_plugins
from persona_core.settings.config_file import set_value
from persona_core.settings.installed import GROUP
from persona_core.settings.workspace import Workspace

ROOT = Path(__file__).parents[2]
FOREIGN = ("llm", "inspect_ai")
"""Groups of entry points of the programs that two packages plug into."""
PACKAGES = sorted(path.parent for part in ("plugins", "archetypes") for path in (ROOT / part).glob("*/pyproject.toml"))

pytestmark = pytest.mark.slow


def pip_install(package: Path, target: Path) -> None:
    """Install one package without its dependencies, not editable."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(package)], check=True, capture_output=True)


def run_cli(target: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with `target` before everything else on the path, from an empty folder."""
    environment = os.environ | {"PYTHONPATH": str(target)}
    command = [sys.executable, "-m", "persona_core.cli", *arguments]
    return subprocess.run(command, cwd=target, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_package_installs_and_registers_through_its_entry_point(package, tmp_path, monkeypatch):
    pip_install(package, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = load_plugins(installed=distributions(path=[str(tmp_path)]))
    assert plugins.failures == []
    (installed,) = distributions(path=[str(tmp_path)])
    found = [point for group in (GROUP, *FOREIGN) for point in installed.entry_points.select(group=group)]
    assert found
    for point in found:
        assert point.load().__name__ == point.module
    assert (package.name in {name for name, _, _ in plugins.packages()}) == any(point.group == GROUP for point in found)


def test_wheel_of_the_core_works_and_brings_the_bundled_vectors(tmp_path):
    pip_install(ROOT, tmp_path)
    found = run_cli(tmp_path, "list", "--json", "--model", "smollm2")
    assert found.returncode == 0, found.stderr
    extracted = {row["name"] for row in json.loads(found.stdout) if row["extracted_for"]}
    assert {"sage", "trickster", "guardian", "explorer", "creator"} <= extracted
    info = json.loads(run_cli(tmp_path, "info", "sage", "--json", "--model", "smollm2").stdout)
    assert Path(info["file"]).is_relative_to(tmp_path)
    assert run_cli(tmp_path, "plugins", "new", "archetype", "persona-archetypes-made").returncode == 0
    assert (tmp_path / "persona-archetypes-made" / ".github" / "workflows" / "ci.yml").is_file()


def test_a_broken_package_is_one_warning_and_the_rest_works(tmp_path):
    source = write_package(tmp_path / "source", "persona-broken", "persona_broken", "import nothing_of_this_name\n")
    pip_install(source, tmp_path / "site")
    found = run_cli(tmp_path / "site", "list", "--model", "smollm2")
    assert found.returncode == 0
    assert found.stderr.count("persona-broken") == 1
    assert "ModuleNotFoundError" in run_cli(tmp_path / "site", "plugins").stdout


def test_a_hook_that_raises_is_one_warning_and_a_row_and_the_rest_works(tmp_path):
    code = "from persona_core import hookimpl\n\n\n@hookimpl\ndef {}():\n    raise ValueError('no\\nlicence')\n"
    hooks = ("register_archetypes", "register_vector_dirs")
    both = "\n\n".join(code.format(hook) for hook in hooks)
    pip_install(write_package(tmp_path / "source", "persona-raises", "persona_raises", both), tmp_path / "site")
    found = run_cli(tmp_path / "site", "list", "--model", "smollm2")
    assert found.returncode == 0
    (warning,) = found.stderr.splitlines()
    assert warning.startswith("Warning: plugin persona-raises is broken at register_")
    assert warning.endswith(": ValueError: no licence")
    plugins = run_cli(tmp_path / "site", "plugins", "--json")
    assert plugins.stderr == ""
    rows = {row["package"]: row for row in json.loads(plugins.stdout)}
    assert all(f"{hook}: ValueError: no licence" in rows["persona-raises"]["error"] for hook in hooks)
    assert rows["persona-core"]["registered"]["register_capping_policies"] == ["percentile-floor"]


def test_two_packages_with_one_name_are_an_error_that_names_both(tmp_path):
    code = (
        "from persona_core import Archetype, hookimpl\n\n\n@hookimpl\ndef register_archetypes():\n"
        "    return [Archetype(name='twin', description='x', system_prompts=('You are x.',))]\n"
    )
    for name in ("persona-twin-a", "persona-twin-b"):
        source = write_package(tmp_path / name, name, name.replace("-", "_"), code)
        pip_install(source, tmp_path / "site")
    found = run_cli(tmp_path / "site", "list")
    assert found.returncode == 1
    assert "persona-twin-a" in found.stderr
    assert "persona-twin-b" in found.stderr
    assert "Traceback" not in found.stderr
    plugins = run_cli(tmp_path / "site", "plugins")
    assert plugins.returncode == 1
    assert plugins.stdout.count("register_archetypes: twin\n") == 2
    assert "Error: two plugins register 'twin'" in plugins.stderr


FAILS_TO_LOAD = "raise RuntimeError('no')\n"
FAILS_WHEN_CALLED = (
    "from persona_core import hookimpl\n\n\n@hookimpl\ndef register_capping_policies():\n    raise RuntimeError('no')\n"
)


@pytest.mark.parametrize("code", [FAILS_TO_LOAD, FAILS_WHEN_CALLED], ids=["when loaded", "when called"])
def test_a_configured_policy_that_failed_is_an_error_and_not_a_warning(tmp_path, engine, code):
    source = write_package(tmp_path / "source", "persona-policy", "persona_policy", code)
    pip_install(source, tmp_path / "site")
    home = tmp_path / "home"
    run_cli(tmp_path / "site", "--workspace", str(home), "init", "--model", "smollm2")
    set_value(Workspace(home), "steering.capping_policy", "strict")
    found = run_cli(tmp_path / "site", "--workspace", str(home), "generate", "Hi", "--persona", "sage")
    assert found.returncode == 1
    assert found.stdout.strip() == ""
    assert "Error: no capping policy named 'strict'" in found.stderr
    assert "persona-policy" in found.stderr


def write_package(folder: Path, name: str, module: str, code: str) -> Path:
    """Write a package with one module that the entry point names."""
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text(code)
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n[project]\nname = "{name}"\n'
        f'version = "1.0"\n\n[project.entry-points.persona_core]\nmain = "{module}"\n'
    )
    return folder
