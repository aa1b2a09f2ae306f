"""The record of packages: when each was first seen in a workspace, and what it says of its origin."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import Distribution
from typing import Any

from pydantic import ValidationError

from persona_core.base.files import read_text, write_atomically
from persona_core.base.records import Record
from persona_core.errors import WorkspaceError
from persona_core.settings.workspace import Workspace


class SeenPackage(Record):
    """The version that a package had when it was first seen, and the local time of that."""

    version: str
    first_seen: str


class PluginRecord:
    """The contents of a workspace's `plugins.json`. A workspace without the file takes all packages as known."""

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.plugin_record
        self.begun = self.path.is_file()
        self.seen = self._read() if self.begun else {}
        self.new: list[str] = []

    def note(self, distribution: Distribution) -> bool:
        """Add a package that is not in the record; tell whether it is new since the last run."""
        name = distribution.metadata["Name"]
        if name in self.seen:
            return False
        self.seen[name] = SeenPackage(version=distribution.version, first_seen=time.strftime("%Y-%m-%d %H:%M"))
        self.new.append(name)
        return self.begun

    def save(self) -> None:
        """Write the record if it has grown; do not create the workspace for it.

        Where the workspace cannot be written to, new packages are announced again at the next run.
        """
        if self.new and self.path.parent.is_dir():
            data = {name: package.model_dump() for name, package in sorted(self.seen.items())}
            with suppress(WorkspaceError):
                write_atomically(self.path, json.dumps(data, indent=2) + "\n")

    def _read(self) -> dict[str, SeenPackage]:
        try:
            data = json.loads(read_text(self.path))
            return {name: SeenPackage.model_validate(package) for name, package in data.items()}
        except (ValueError, AttributeError, ValidationError) as error:
            raise WorkspaceError(f"{self.path} is damaged; delete it to start afresh") from error


def publisher(distribution: Distribution) -> str:
    """Return the author or maintainer that a package names, or an empty text; nobody has checked it."""
    fields = ("Author", "Author-email", "Maintainer", "Maintainer-email")
    return next((value for value in _fields(distribution, fields) if value), "")


def home(distribution: Distribution) -> str:
    """Return a package's home page, or the first of its project links."""
    urls = [url.partition(",")[2].strip() for url in distribution.metadata.get_all("Project-URL") or []]
    return next((value for value in (*_fields(distribution, ("Home-page",)), *urls) if value), "")


def origin(distribution: Distribution) -> str:
    """Return where a package was installed from: a folder, an address, or an index of packages."""
    text = distribution.read_text("direct_url.json")
    if not text:
        return "a package index"
    data: dict[str, Any] = json.loads(text)
    editable = data.get("dir_info", {}).get("editable", False)
    return f"{data.get('url', 'an address')}{' (editable)' if editable else ''}"


def _fields(distribution: Distribution, names: Iterable[str]) -> list[str]:
    return [distribution.metadata[name] or "" if name in distribution.metadata else "" for name in names]
