"""The pytest plugin in a project of somebody else, and the page about it: every example runs as it is printed."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from persona_core import testing
from persona_core.testing import fixtures, strategies

PAGE = (Path(__file__).parents[2] / "docs" / "testing-plugins.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^```python title=(\w+\.py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
FIXTURES = [name for name, value in vars(fixtures).items() if isinstance(value, type(fixtures.persona_home))]
STRATEGIES = [
    name
    for name, value in vars(strategies).items()
    if getattr(value, "__module__", "") == strategies.__name__ and not name.startswith("_")
]
NEEDS_THE_MODEL = "test_model.py"
REWRITTEN = """
from persona_core.testing import check_archetype

def test_the_checks_are_rewritten():
    assert "AssertionRewritingHook" in repr(check_archetype.__globals__["__loader__"])
"""


ON_A_SLOW_MACHINE = ("--hypothesis-profile", "ci")
"""Examples that draw at their first use, beside other work, take Hypothesis longer than it allows by default."""


def run_pytest(folder: Path, files: Mapping[str, str], *options: str, **variables: str) -> str:
    """Write the files, run pytest on them in a process of its own with every warning an error; return what it says."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    strict = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-rs"]
    ignored = ["-W", "ignore::DeprecationWarning", "-W", "ignore::FutureWarning"]
    settings: dict[str, Any] = {"capture_output": True, "text": True, "env": os.environ | variables, "cwd": folder}
    done = subprocess.run([*strict, *ON_A_SLOW_MACHINE, *options, *ignored, str(folder)], check=False, **settings)
    said: str = done.stdout + done.stderr
    return said


def passed(said: str) -> int:
    """Return how many tests passed where nothing else happened."""
    found = re.search(r"=+ (\d+) passed in [^,]*=+$", said.strip().splitlines()[-1])
    assert found, said
    return int(found[1])


@pytest.mark.slow
def test_the_examples_of_the_page_that_need_no_model_run_as_they_are_printed(tmp_path: Path) -> None:
    files = {name: code for name, code in EXAMPLES.items() if name != NEEDS_THE_MODEL}
    tests = sum(f"\n{code}".count("\ndef test_") for code in files.values())
    assert passed(run_pytest(tmp_path, files)) == tests > 15


@pytest.mark.usefixtures("model")
def test_the_example_of_the_page_that_needs_the_model_runs_as_it_is_printed(tmp_path: Path) -> None:
    assert passed(run_pytest(tmp_path, {NEEDS_THE_MODEL: EXAMPLES[NEEDS_THE_MODEL]})) == 1


@pytest.mark.slow
def test_without_the_model_its_tests_are_skipped_with_the_reason(tmp_path: Path) -> None:
    said = run_pytest(tmp_path, {NEEDS_THE_MODEL: EXAMPLES[NEEDS_THE_MODEL]}, PERSONA_STEER_PLUGINS="")
    assert "1 skipped" in said
    assert "the embedded model cannot be had: no model 'smollm2'" in said


@pytest.mark.slow
def test_a_failing_check_shows_what_was_compared(tmp_path: Path) -> None:
    assert passed(run_pytest(tmp_path, {"test_rewritten.py": REWRITTEN})) == 1


@pytest.mark.slow
def test_the_fixtures_can_be_left_out(tmp_path: Path) -> None:
    said = run_pytest(tmp_path, {"test_home.py": EXAMPLES["test_home.py"]}, "-p", "no:persona-core")
    assert "fixture 'persona_home' not found" in said


def test_loading_the_plugin_imports_nothing_slow() -> None:
    code = "import sys, persona_core.testing.fixtures\nprint([name for name in sys.argv[1:] if name in sys.modules])"
    slow = ("torch", "numpy", "pydantic", "hypothesis", "persona_core.plugins.loading")
    done = subprocess.run([sys.executable, "-c", code, *slow], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_names_everything_there_is() -> None:
    checks = [name for name in testing.__all__ if name.startswith("check_")]
    assert len(FIXTURES) == 6
    assert len(STRATEGIES) == 5
    assert sorted([*checks, *FIXTURES, *STRATEGIES]) == sorted(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))
    examples = [name for name in testing.__all__ if name.startswith("example_")]
    assert examples == sorted(re.findall(r"^\| `(example_\w+)\(", PAGE, re.MULTILINE))


def test_every_public_name_is_where_the_package_says() -> None:
    assert sorted(testing._HOMES) == testing.__all__
    assert all(callable(getattr(testing, name)) for name in testing.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'check_nothing'"):
        testing.check_nothing  # noqa: B018
