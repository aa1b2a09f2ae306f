"""`plugins new` for every kind, really installed, tested by its own tests and checked; and packages that misbehave."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from persona_core.cli import build_cli
from persona_core.errors import PluginError
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.new_package import KINDS, new_package, write_package

DOCS = Path(__file__).parents[2] / "docs"
NAMES = {kind: f"persona-{kind}-made" for kind in KINDS}
Made = tuple[Path, Path, str]
Check = Callable[..., tuple[int, dict[str, dict[str, str]]]]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(build_cli(load_plugins(installed=[])), ["plugins", *arguments])


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module with `site` before everything else on the path."""
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One package of every kind: their folder, where all are installed, and what their own tests said."""
    folder = tmp_path_factory.mktemp("packages")
    for kind, name in NAMES.items():
        result = invoke("new", kind, name, "--folder", str(folder))
        assert result.exit_code == 0, result.output
        assert f"persona-steer plugins check {folder / name}\n" in result.output
    places = [str(folder / name) for name in NAMES.values()]
    command = ("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder / "site"))
    installed = run(folder / "site", *command, *places)
    assert installed.returncode == 0, installed.stderr
    own = run(
        folder / "site",
        "pytest",
        "-q",
        "-rA",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        f"--rootdir={folder}",
        *places,
    )
    assert own.returncode == 0, own.stdout
    return folder, folder / "site", own.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_passes_its_own_tests_and_every_check(made: Made, kind: str) -> None:
    folder, site, own = made
    assert f"{NAMES[kind]}/tests/test_persona_{kind}_made.py::" in own
    result = run(site, "persona_core.cli", "plugins", "check", str(folder / NAMES[kind]))
    lines = result.stdout.splitlines()
    assert lines[0] == f"{NAMES[kind]} 0.1.0, from {folder / NAMES[kind]}"
    assert {line.split()[0] for line in lines[1:-1]} == {"ok"}
    assert lines[-1] == "13 checks, none failed"
    assert result.returncode == 0


@pytest.mark.slow
def test_every_new_object_shows_up_in_plugins_and_an_installed_package_is_checked_by_name(made: Made) -> None:
    _, site, _ = made
    rows = json.loads(run(site, "persona_core.cli", "plugins", "--json").stdout)
    registered = {row["package"]: row["registered"] for row in rows}
    assert {NAMES[kind]: registered[NAMES[kind]] for kind in KINDS} == {
        NAMES[kind]: {KINDS[kind].hook: ["made"]} for kind in KINDS
    }
    checked = run(site, "persona_core.cli", "plugins", "check", "Persona_Judge.made", "--json")
    report = json.loads(checked.stdout)
    assert report["package"] == "persona-judge-made 0.1.0"
    assert report["passed"]
    assert checked.returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_complete_and_leaves_nothing_to_fill_in(kind: str, tmp_path: Path) -> None:
    place = write_package(new_package(kind, "mine"), tmp_path)
    written = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert written >= {
        "pyproject.toml", "LICENSE", "README.md", ".gitignore", ".github/workflows/ci.yml", "mine/py.typed",
        "mine/__init__.py", "tests/test_mine.py",
    }  # fmt: skip
    text = "".join((place / path).read_text(encoding="utf-8") for path in written)
    assert "${{ matrix.python }}" in text
    for blank in ("$module", "$object", "$name", "OBJECT", "MODULE", "TODO"):
        assert blank not in text
    first = (place / "tests/test_mine.py").read_text(encoding="utf-8").partition("\ndef test_")[2]
    assert "check_" in first.partition("\n\n\n")[0]


@pytest.mark.parametrize(
    ("name", "module", "short"),
    [
        ("persona-blending-sharp", "persona_blending_sharp", "sharp"),
        ("Sharp.Blend_2", "sharp_blend_2", "sharp-blend-2"),
        ("persona-blending", "persona_blending", "blending"),
    ],
)
def test_the_name_gives_the_module_and_what_users_type(name: str, module: str, short: str) -> None:
    package = new_package("blending", name)
    assert (package.module, package.object_name) == (module, short)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "-x", "x-", "two words", "ü", "7", "json", "class", "a" * 65]
)
def test_a_name_that_no_package_can_have_is_an_error(name: str) -> None:
    with pytest.raises(PluginError, match="persona-"):
        new_package("judge", name)


def test_the_packages_that_two_pages_make_by_hand_are_those_that_are_made() -> None:
    sailors = dict(new_package("archetype", "persona-archetypes-sailors").files())
    page = (DOCS / "write-an-archetype.md").read_text(encoding="utf-8")
    for path in ("sailors.yaml", "questions.yaml"):
        assert sailors[f"persona_archetypes_sailors/{path}"].replace("name: sailors", "name: helmsman") in page
    rising = dict(new_package("capping", "persona-capping-rising").files())["persona_capping_rising/__init__.py"]
    page = (DOCS / "write-a-capping-policy.md").read_text(encoding="utf-8")
    assert rising.partition("\nSTEP = ")[2].replace('"rising"', '"rising-floor"') in page
