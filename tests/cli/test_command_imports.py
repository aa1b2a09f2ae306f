"""A command parses, calls one function below and prints: no module of the command line imports another command."""

import ast
from collections.abc import Iterator
from pathlib import Path

import persona_core.cli
from persona_core.cli.root import COMMANDS

CLI = Path(persona_core.cli.__file__).parent
JOINING = {"__init__.py", "chat/__init__.py", "plugins/__init__.py", "plugins/command.py"}
"""The modules that join commands to groups, and so import them."""


def module_name(path: Path) -> str:
    """Return the dotted name of a module under `persona_core.cli`."""
    parts = path.relative_to(CLI).with_suffix("").parts
    return ".".join(["persona_core.cli", *(part for part in parts if part != "__init__")])


def imported(path: Path) -> Iterator[str]:
    """Yield every module that a module may import, in functions and for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def defines_a_command(path: Path) -> bool:
    """Tell whether a module holds a command or a group of commands."""
    text = path.read_text(encoding="utf-8")
    return "@click.command(" in text or "@click.group(" in text


def test_no_module_of_the_command_line_imports_a_command() -> None:
    paths = [path for path in sorted(CLI.rglob("*.py")) if path.relative_to(CLI).as_posix() not in JOINING]
    commands = {module_name(path) for path in CLI.rglob("*.py") if defines_a_command(path)} - {"persona_core.cli.root"}
    assert len(commands) > len(COMMANDS)
    foreign = {f"{module_name(path)} imports {name}" for path in paths for name in imported(path) if name in commands}
    assert foreign == set()
