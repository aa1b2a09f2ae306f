"""The walk-throughs of the documents, followed whole: how many commands, and how long each takes.

python tests/bench/walk_throughs.py [--no-model] [PAGE ...]

The embedded model is in its cache before the clock starts. Other work on the machine makes the commands that run the
model many times slower: the load is printed with each page.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from test_walk_throughs import follow_line, lines_of, write_files  # noqa: E402

PAGES = ("write-an-archetype.md", "write-a-capping-policy.md", "write-a-blending-strategy.md")
WORKSPACE = "persona-steer init"
"""The first command that comes after the package is installed."""


def main() -> None:
    """Follow the pages that are named, or all; without a model, to the installed package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", default=PAGES)
    parser.add_argument("--no-model", action="store_true", help="Stop once the package is installed.")
    given = parser.parse_args()
    for page in given.pages:
        lines = list(lines_of((ROOT / "docs" / page).read_text(encoding="utf-8")))
        installed = next(place for place, line in enumerate(lines) if line.startswith(WORKSPACE))
        with tempfile.TemporaryDirectory() as folder:
            seconds = follow(page, lines[:installed] if given.no_model else lines, Path(folder))
        print(f"{page}: {len(lines)} commands; {os.cpu_count()} cores, mean load {os.getloadavg()[1]:.1f}")
        print(f"  {installed} commands, {sum(seconds[:installed]):.0f} s to the installed package")
        print(f"  {len(seconds)} commands, {sum(seconds):.0f} s in all")
        for line, took in zip(lines, seconds, strict=False):
            print(f"  {took:6.1f} s  {line}", flush=True)


def follow(page: str, lines: list[str], folder: Path) -> list[float]:
    """Return how long each command takes, in seconds, in an empty folder with a workspace of its own."""
    os.environ["PERSONA_STEER_HOME"] = str(folder / "workspace")
    write_files((ROOT / "docs" / page).read_text(encoding="utf-8"), folder / "package")
    seconds = []
    for line in lines:
        start = time.perf_counter()
        follow_line(line, folder / "package", folder / "site")
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
