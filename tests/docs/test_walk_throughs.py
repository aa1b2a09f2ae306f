"""The walk-throughs of the documents, followed to the letter: the files, the installation, every command."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = ("system_prompts 2", "questions 2", "max_new_tokens 6", "fit_steps 2", "calibration_questions 2")
"""What the test sets after `init`, for time's sake; the rest is as the page says."""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return tmp_path / "package"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Where the package is installed: a folder before everything else on Python's path."""
    return tmp_path / "site"


@pytest.mark.usefixtures("model")
def test_the_archetype_walk_through_ends_with_a_persona_that_speaks(package: Path, site: Path) -> None:
    said = follow("write-an-archetype.md", package, site)
    assert "1 passed" in said["python -m pytest"]
    assert registered(site, "persona-archetypes-sailors") == {"register_archetypes": ["helmsman"]}
    assert "helmsman: 4 replies" in said["persona-steer extract helmsman"]
    reply, receipt = said['persona-steer generate "How do I start over?" --persona helmsman'].strip().split("\n[", 1)
    assert reply.strip()
    assert receipt.startswith("helmsman at strength 1, guidance 2: ")
    assert "A calm helmsman" in said["persona-steer info helmsman"]


@pytest.mark.usefixtures("model")
def test_the_policy_walk_through_ends_with_a_floor_that_rises(package: Path, site: Path) -> None:
    said = follow("write-a-capping-policy.md", package, site)
    assert "3 passed" in said["python -m pytest"]
    assert registered(site, "persona-capping-rising") == {"register_capping_policies": ["rising-floor"]}
    first, second = re.findall(r"(\d+) lifts", said["persona-steer chat --persona trickster"])
    assert int(first) > 0
    assert int(second) > 0


@pytest.mark.usefixtures("model")
def test_the_blending_walk_through_ends_with_a_blend_of_its_own_strategy(package: Path, site: Path) -> None:
    said = follow("write-a-blending-strategy.md", package, site)
    made = package.parent / "persona-blending-sharp"
    page = (ROOT / "docs/write-a-blending-strategy.md").read_text(encoding="utf-8")
    for path in ("persona_blending_sharp/__init__.py", "pyproject.toml"):
        assert f"\n{(made / path).read_text(encoding='utf-8')}```\n" in page
    assert "4 passed" in said["python -m pytest ./persona-blending-sharp"]
    assert "13 checks, none failed" in said["persona-steer plugins check ./persona-blending-sharp"]
    assert registered(site, "persona-blending-sharp") == {"register_blending_strategies": ["sharp"]}
    blend = 'persona-steer generate "What makes a good life?" --blend sage:0.6,trickster:0.3'
    assert "[sage 0.6 + trickster 0.3 at strength 1, guidance 2: " in said[blend]


def follow(name: str, package: Path, site: Path) -> dict[str, str]:
    """Do what a page says, in order, and return what each of its commands printed."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    write_files(text, package)
    said: dict[str, str] = {}
    for line in lines_of(text):
        said[line] = follow_line(line, package, site)
        if line.startswith("persona-steer init"):
            make_short(site, package.parent)
    return said


def write_files(text: str, package: Path) -> None:
    """Write every file that a page shows."""
    for place, content in re.findall(r"^```\w+ title=(\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        (package / place).parent.mkdir(parents=True, exist_ok=True)
        (package / place).write_text(content, encoding="utf-8")


def lines_of(text: str) -> Iterator[str]:
    """Yield the command lines of a page."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()


def follow_line(line: str, package: Path, site: Path) -> str:
    """Run one command line; the package is installed beside the environment and not into it."""
    program, *arguments = shlex.split(line)
    folder = package if package.exists() else package.parent
    if line.startswith("python -m pip install "):
        isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
        options = ["--quiet", "--no-deps", *isolation, "--target", str(site)]
        return run(site, "pip", "install", *options, arguments[-1], cwd=folder)
    if program == "python":
        return run(site, *arguments[1:], cwd=folder)
    return run(site, "persona_core.cli", *arguments, cwd=package.parent, stdin="Hello!\nAnd again?\n/quit\n")


def make_short(site: Path, folder: Path) -> None:
    """Let extractions and replies of the workspace be short."""
    for setting in SMALL:
        key, value = setting.split()
        run(site, "persona_core.cli", "config", "set", f"extraction.{key}", value, cwd=folder)
    run(site, "persona_core.cli", "config", "set", "generation.max_new_tokens", "12", cwd=folder)
    run(site, "persona_core.cli", "datasets", "generate", "personas", "--force", cwd=folder)


def registered(site: Path, distribution: str) -> dict[str, list[str]]:
    """Return what `persona-steer plugins --json` says that a distribution registered."""
    rows = json.loads(run(site, "persona_core.cli", "plugins", "--json", cwd=site))
    (row,) = [row for row in rows if row["package"] == distribution]
    assert row["error"] is None
    names: dict[str, list[str]] = row["registered"]
    return names


def run(site: Path, *arguments: str, cwd: Path, stdin: str = "") -> str:
    """Run a module of this interpreter with `site` on its path, and return all that it printed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    found = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd, env=environment, input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr
