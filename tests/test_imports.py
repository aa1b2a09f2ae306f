"""Imports point down only, and what is quick to start never loads what is slow."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import pytest

import persona_core

PACKAGE = Path(persona_core.__file__).parent
TIERS = (
    ("bundling",),
    ("cli",),
    ("evaluation", "testing"),
    ("chat_session", "plotting"),
    ("session_log", "turn_monitors"),
    ("conversation", "steering_engine"),
    ("plan_building", "receipt"),
    ("contracts",),
    ("safety_axis",),
    ("axes", "floor_calibration"),
    ("extraction",),
    ("calibration",),
    ("layer_bands", "refusal"),
    ("activation_extractor", "gradient", "scoring"),
    ("rollouts",),
    ("decoding",),
    ("steps",),
    ("shared_prefix",),
    ("floor_check", "model_wrapper"),
    ("cpu_linear", "growing_cache", "model_loading", "twin"),
    ("static_steering",),
    ("steer_module",),
    ("gguf_conversion", "memory_plan", "model_cache", "tally"),
    ("fingerprint", "persona_data", "prompting"),
    ("persona_manager", "vector_building"),
    ("active_set", "config_file", "vector_store"),
    ("config",),
    ("builtins", "plugins"),
    ("evaluation.judges", "evaluation.prompt_set", "evaluation.statistics", "plugin_choice", "plugin_record"),
    ("blending", "capping", "dataset_generator"),
    ("clamping",),
    ("vector_math",),
    ("persona_vector",),
    ("dataset", "steering_plan", "vector_file"),
    ("archetype", "layers", "new_package", "workspace"),
    (
        "atomic_file",
        "chat_command",
        "hookspecs",
        "model_source",
        "names",
        "precision",
        "progress",
        "quiet",
        "record",
        "rollout",
        "time_limit",
    ),
    ("errors",),
)
"""From top to bottom: a module may import from the tiers below its own, and from no module of its own tier.

A folder counts as one, but for the modules of it that are named here.
"""

RANK = {module: rank for rank, tier in enumerate(TIERS) for module in tier}
SLOW = ("torch", "nnsight", "transformers", "numpy")


def module_files() -> list[Path]:
    """Return every module but the package's own `__init__.py`."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def unit_of(path: Path) -> str:
    """Return a file's place in the tiers."""
    return unit(path.relative_to(PACKAGE).with_suffix("").parts)


def unit(parts: Sequence[str]) -> str:
    """Return the place in the tiers of a module's path below the package."""
    whole = ".".join(parts[:2])
    return whole if whole in RANK else parts[0]


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run on import, but for those under `if TYPE_CHECKING:`."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and "TYPE_CHECKING" not in ast.unparse(statement.test):
            yield from top_level([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try | ast.With | ast.ClassDef):
            yield from top_level(statement.body)


def names_of(statement: ast.AST) -> list[str]:
    """Return the dotted names that a statement may import."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        assert statement.level == 0, "imports are absolute"
        return [f"{statement.module}.{alias.name}" for alias in statement.names]
    return []


def imported_units(path: Path) -> set[str]:
    """Return the places in the tiers that a module imports from when it is imported."""
    statements = top_level(ast.parse(path.read_text(encoding="utf-8")).body)
    parts = [name.split(".") for statement in statements for name in names_of(statement)]
    own = {unit(part[1:]) for part in parts if part[0] == "persona_core" and len(part) > 1}
    return {name for name in own if not name.startswith("__")} - {unit_of(path)}


def test_every_module_has_one_place_in_the_tiers() -> None:
    assert sorted(module for tier in TIERS for module in tier) == sorted({unit_of(path) for path in module_files()})


@pytest.mark.parametrize("path", module_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_point_down(path: Path) -> None:
    own = RANK[unit_of(path)]
    assert not {unit for unit in imported_units(path) if RANK[unit] <= own}


def test_the_package_itself_imports_only_the_hook_marker() -> None:
    assert imported_units(PACKAGE / "__init__.py") == {"hookspecs"}


def test_the_model_wrapper_alone_imports_nnsight() -> None:
    users = {
        path.name
        for path in module_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if any(name.split(".")[0] == "nnsight" for name in names_of(node))
    }
    assert users == {"model_wrapper.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "import persona_core",
        "from persona_core import Archetype, Config, PersonaManager, PersonaVector, SteeringPlan, hookimpl",
        "import persona_core.cli",
        "from persona_core.plugins import load_plugins; load_plugins()",
        "from persona_core.cli import build_cli; from persona_core.plugins import load_plugins; "
        "build_cli(load_plugins(found=[])).main(['--help'], standalone_mode=False)",
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
