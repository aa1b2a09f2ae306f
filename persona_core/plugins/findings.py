"""What a check of a package found, and how a process of its own reports it while the package may do anything."""

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
    """One line of a report: what was checked, how it ended, what is so, how to mend it, and where to read on."""

    check: str
    status: Status
    said: str
    mend: str = ""
    page: str = ""


class Wrong(Exception):
    """What a check found wrong, and how to mend it."""

    def __init__(self, said: str, mend: str = "") -> None:
        super().__init__(said)
        self.mend = mend


class Skipped(Exception):
    """A check that cannot be made here, and why."""


@dataclass(frozen=True)
class Journal:
    """A file to which a process adds one JSON line a step, so that what it had found outlives it."""

    path: Path

    def begin(self, check: str) -> None:
        """Note which check runs now."""
        self._add({"begins": check})

    def keep(self, findings: Iterable[Finding]) -> None:
        """Note what was found."""
        for finding in findings:
            self._add(asdict(finding))

    def register(self, hook: str, names: list[str]) -> None:
        """Note which names a hook's objects have."""
        self._add({"hook": hook, "names": names})

    def end(self) -> None:
        """Note that every check has run."""
        self._add({"ends": True})

    def names(self) -> dict[str, list[str]]:
        """Return hook -> the names of its objects."""
        return {record["hook"]: record["names"] for record in self._records() if "hook" in record}

    def read(self) -> tuple[list[Finding], str, bool]:
        """Return the findings, the check that ran last, and whether all have run."""
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
    """Return a text in one line without control characters, shortened."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."
