"""The room map: writes the modules of each room into a page, `python -m persona_core.cli.room_map PAGE`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from persona_core.base.files import read_text, write_atomically

START, END = "<!-- modules: begin -->", "<!-- modules: end -->"
ROOMS = (
    "testing", "cli", "plugins", "reports", "chat", "evaluation", "engine", "extraction", "model", "steering",
    "personas", "vectors", "settings", "base",
)  # fmt: skip
"""From the top to the ground, as the import contract in `pyproject.toml` has them."""


def room_map(package: Path) -> str:
    """Return one table a room: each module with the first sentence of its docstring."""
    return "\n".join(_room(package / room) for room in ROOMS)


def written_into(page: str, tables: str) -> str:
    """Return the page with what stands between its two marks replaced."""
    return re.sub(f"{START}.*{END}", lambda _: f"{START}\n{tables}{END}", page, flags=re.DOTALL)


def _room(folder: Path) -> str:
    rows = "".join(f"| `{name}` | {says} |\n" for name, says in _modules(folder))
    return f"### {folder.name}\n\n{_first_line(folder / '__init__.py')}\n\n| module | what it is |\n|---|---|\n{rows}"


def _modules(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*.py")):
        if path.name != "__init__.py":
            yield path.relative_to(folder.parent).as_posix(), _first_line(path)


def _first_line(path: Path) -> str:
    """Return the first paragraph of a module's docstring in one line, safe in a table."""
    text = ast.get_docstring(ast.parse(read_text(path))) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    page = Path(sys.argv[1])
    write_atomically(page, written_into(read_text(page), room_map(Path(str(files("persona_core"))))))
