"""The room map is written between its two marks, and names every module once."""

from pathlib import Path

import persona_core
from persona_core.cli.room_map import END, ROOMS, START, room_map, written_into

PACKAGE = Path(persona_core.__file__).parent


def test_every_module_of_every_room_has_one_row() -> None:
    tables = room_map(PACKAGE)
    modules = [path for room in ROOMS for path in (PACKAGE / room).rglob("*.py") if path.name != "__init__.py"]
    for path in modules:
        assert tables.count(f"| `{path.relative_to(PACKAGE).as_posix()}` | ") == 1
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()} == set(ROOMS)


def test_what_stands_outside_the_marks_is_kept() -> None:
    page = f"before\n{START}\nold\n{END}\nafter\n"
    assert written_into(page, "new\n") == f"before\n{START}\nnew\n{END}\nafter\n"
    assert written_into("no marks", "new") == "no marks"
