"""What is quick to start never loads what is slow, and one module knows nnsight."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import persona_core

PACKAGE = Path(persona_core.__file__).parent
SLOW = ("torch", "nnsight", "transformers", "numpy")


def module_files() -> list[Path]:
    """Return every module but the package's own `__init__.py`."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def names_of(statement: ast.AST) -> list[str]:
    """Return the dotted names that a statement may import."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        assert statement.level == 0, "imports are absolute"
        return [f"{statement.module}.{alias.name}" for alias in statement.names]
    return []


def test_the_model_wrapper_alone_imports_nnsight() -> None:
    users = {
        path.name
        for path in module_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if any(name.split(".")[0] == "nnsight" for name in names_of(node))
    }
    assert users == {"wrapper.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "import persona_core",
        "from persona_core import Archetype, Config, PersonaManager, PersonaVector, SteeringPlan, hookimpl",
        "import persona_core.cli",
        "from persona_core.plugins.loading import load_plugins; load_plugins()",
        "from persona_core.cli import build_cli; from persona_core.plugins.loading import load_plugins; "
        "build_cli(load_plugins(installed=[])).main(['--help'], standalone_mode=False)",
    ],
)
def test_what_is_quick_to_start_loads_nothing_slow(statement: str) -> None:
    code = f"import sys\n{statement}\nsys.stderr.write(repr([name for name in {SLOW!r} if name in sys.modules]))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr == "[]"


@pytest.mark.parametrize("name", persona_core.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(persona_core, name) is not None


def test_the_lazy_names_are_the_public_names() -> None:
    assert {*persona_core._HOMES, "hookimpl"} == set(persona_core.__all__)
    for name, home in persona_core._HOMES.items():
        assert getattr(import_module(f"persona_core.{home}"), name) is getattr(persona_core, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        persona_core.nothing  # noqa: B018
