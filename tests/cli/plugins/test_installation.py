"""A program that is run for a check is stopped with all that it started, and its ending is told."""

import sys
import time
from pathlib import Path

from persona_core.cli.plugins.installation import last_line, run


def test_a_program_that_ends_well_says_nothing_and_leaves_its_output(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run([sys.executable, "-c", "print('one'); print('two'); print()"], log, 30) == ""
    assert last_line(log) == "two"


def test_a_program_that_fails_is_told_with_its_code(tmp_path: Path) -> None:
    assert run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log", 30) == "it ended with code 3"


def test_a_program_cannot_read_and_is_stopped_when_its_time_is_over(tmp_path: Path) -> None:
    start = time.monotonic()
    ending = run([sys.executable, "-c", "import sys\nsys.stdin.read()\nwhile True: pass"], tmp_path / "log", 1)
    assert ending == "it did not end within 1 s and was stopped"
    assert time.monotonic() - start < 20


def test_a_log_without_a_line_has_no_last_one(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\n \n")
    assert last_line(tmp_path / "log") == ""
