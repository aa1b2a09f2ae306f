"""Run `persona-steer demo` and keep the replies that it prints: the README's sample.

    python tests/bench/record_demo.py --write

The replies come from the ready-made vectors. The extraction after them is stopped, as Ctrl-C stops it. Long lines are
wrapped, and blank ones left out. Without --write everything goes to stdout.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from bench_tools import write_section

README = Path(__file__).parents[2] / "README.md"
WIDTH = 120


def replies() -> str:
    """Return what the demo prints, up to the files that it writes."""
    words = [sys.executable, "-m", "persona_core.cli", "--workspace", tempfile.mkdtemp(), "demo"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as demo:
        assert demo.stderr is not None
        question = next(line for line in demo.stderr if line.startswith("Answering"))
        next(line for line in demo.stderr if line.startswith("Extracting"))
        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate()
    assert demo.returncode == 0, said
    return question + said.partition("\nwrote ")[0]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the replies into the README")
    written = parser.parse_args().write
    lines = [wrapped for line in replies().splitlines() for wrapped in textwrap.wrap(line, WIDTH)]
    shown = "\n".join(["```text", "$ persona-steer demo", *lines, "```"])
    print(shown)
    if written:
        write_section("demo", shown, README)


if __name__ == "__main__":
    main()
