"""Findings: what the checks of a package report, in a file that outlives the process which runs them.

The package's code runs in that process and may hang, crash or end it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "FAILED", "advice", "skipped"]
_LONGEST = 500


@dataclass(frozen=True)
class Finding:
    """One line of a report: the check, how it ended, what it saw, how to mend what is wrong, and the page to read."""

    check: str
    status: Status
    said: str
    mend: str = ""
    page: str = ""


class Wrong(Exception):
    """Raised by a check of something that is wrong: what it is, and how to mend it."""

    def __init__(self, said: str, mend: str = "") -> None:
        super().__init__(said)
        self.mend = mend


class Skipped(Exception):
    """Raised by a check that cannot be made here, with the reason."""


@dataclass(frozen=True)
class Journal:
    """A file of JSON lines; a process appends one at every step, so that its findings remain when it is killed."""

    path: Path

    def begin(self, check: str) -> None:
        """Record which check begins."""
        self._add({"begins": check})

    def keep(self, findings: Iterable[Finding]) -> None:
        """Record findings."""
        for finding in findings:
            self._add(asdict(finding))

    def register(self, hook: str, names: list[str]) -> None:
        """Record the names of a hook's objects."""
        self._add({"hook": hook, "names": names})

    def end(self) -> None:
        """Record that every check has run."""
        self._add({"ends": True})

    def names(self) -> dict[str, list[str]]:
        """Return hook -> the names of its objects."""
        return {record["hook"]: record["names"] for record in self._records() if "hook" in record}

    def read(self) -> tuple[list[Finding], str, bool]:
        """Return the findings, the check that began last, and whether every check has run."""
        records = self._records()
        last = next((record["begins"] for record in reversed(records) if "begins" in record), "start")
        return [Finding(**record) for record in records if "check" in record], last, {"ends": True} in records

    def _records(self) -> list[dict[str, Any]]:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        return [json.loads(line) for line in lines]

    def _add(self, record: dict[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def in_one_line(text: str) -> str:
    """Return a text in one line, its control characters replaced, cut at 500 characters."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."
