"""Start-up: the commands that need no model beside importing what every command needs, turn by turn.

python tests/bench/startup.py [--rounds N] [--write]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence

from bench_tools import arguments, interleaved, provenance, times_table, write_section

REFERENCE = 'python -c "import click, pluggy, pydantic, yaml"'
ONE_MODEL = "class A(pydantic.BaseModel): x: int = 1"
COMMANDS = ("--help", "list", "config show", "info sage", "plugins", "chat --help")


def runner(words: Sequence[str], home: str) -> Callable[[], object]:
    """Return a function that runs one process to its end."""
    environment = os.environ | {"PERSONA_STEER_HOME": home}
    return lambda: subprocess.run(words, env=environment, capture_output=True, check=True)


def main() -> None:
    """Measure, print the table, and keep it on the page where that is asked for."""
    given = arguments(__doc__, 11).parse_args()
    home = tempfile.mkdtemp()
    command = [sys.executable, "-m", "persona_core.cli"]
    subprocess.run([*command, "--workspace", home, "init", "--model", "smollm2"], capture_output=True, check=True)
    reference = "import click, pluggy, pydantic, yaml"
    works = {REFERENCE: runner([sys.executable, "-c", reference], home)}
    works |= {f"the same and {ONE_MODEL}": runner([sys.executable, "-c", f"{reference}\n{ONE_MODEL}"], home)}
    works |= {f"persona-steer {words}": runner([*command, *words.split()], home) for words in COMMANDS}
    found = {f"`{name}`": timing for name, timing in interleaved(works, given.rounds).items()}
    text = times_table(found, f"`{REFERENCE}`", "command")
    print(text)
    if given.write:
        write_section("start-up", f"{provenance()}\n\n{text}")


if __name__ == "__main__":
    main()
