"""Workspace state: the active set that `load` names, and the ready-made personas that `delete` hides, across runs."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from persona_core.base.files import read_text, write_atomically
from persona_core.base.records import Record, first_problem
from persona_core.errors import WorkspaceError


class WorkspaceState(Record):
    """What a workspace remembers, per model slug."""

    model_config = ConfigDict(extra="forbid")

    loaded: dict[str, list[str]] = Field(default_factory=dict)
    hidden: dict[str, list[str]] = Field(default_factory=dict)

    def hidden_personas(self, slug: str) -> set[str]:
        """Return the ready-made personas of a model that `delete` has hidden."""
        return set(self.hidden.get(slug, []))


def read_state(path: Path) -> WorkspaceState:
    """Return the state, which is empty where there is no file; raise `WorkspaceError` for a damaged file."""
    if not path.is_file():
        return WorkspaceState()
    try:
        return WorkspaceState.model_validate(json.loads(read_text(path)))
    except (ValueError, ValidationError) as error:
        raise WorkspaceError(f"{path}: {first_problem(error)}; delete the file to start afresh") from error


def write_state(path: Path, state: WorkspaceState) -> None:
    """Write the state, whole or not at all."""
    write_atomically(path, state.model_dump_json(indent=2) + "\n")
