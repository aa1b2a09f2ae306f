"""Places: where files are looked for, the paths of an environment variable and a folder of the workspace."""

from __future__ import annotations

import os
from pathlib import Path

from persona_core import find_workspace

VARIABLE = "PERSONA_STEER_ARCHETYPES"
FOLDER = "archetype-files"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2")


def places() -> list[Path]:
    """Return the variable's paths, then the workspace's folder and the archives in it, where it has one."""
    named = [Path(part).expanduser() for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part.strip()]
    return [*named, *_in_workspace(find_workspace().root / FOLDER)]


def _in_workspace(folder: Path) -> list[Path]:
    """Return the folder where it holds JSON files, and the archives that lie in it."""
    if not folder.is_dir():
        return []
    own = [folder] if any(folder.rglob("*.json")) else []
    return own + sorted(path for path in folder.iterdir() if path.name.endswith(ARCHIVES) and path.is_file())
