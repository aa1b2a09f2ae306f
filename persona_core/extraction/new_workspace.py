"""A new workspace: its configuration file, its folders and its datasets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from persona_core.base.files import write_atomically
from persona_core.errors import WorkspaceError
from persona_core.extraction.data import find_generator
from persona_core.extraction.dataset_files import DatasetFiles, write_datasets
from persona_core.personas.manager import PersonaManager
from persona_core.settings.config import Config
from persona_core.settings.config_file import template


@dataclass(frozen=True)
class WorkspaceFiles:
    """The configuration file, whether it was written or kept, and the datasets."""

    config_file: Path
    config_written: bool
    datasets: DatasetFiles


def make_workspace(config: Config) -> WorkspaceFiles:
    """Write what is missing in the workspace of a configuration; files that somebody has edited are kept."""
    workspace = config.workspace
    config_written = not workspace.exists
    if config_written:
        write_atomically(workspace.config_file, template(config))
    for folder in (
        workspace.vectors,
        workspace.archetypes,
        workspace.persona_datasets,
        workspace.safety_dataset.parent,
    ):
        _make_folder(folder)
    manager = PersonaManager(config)
    return WorkspaceFiles(workspace.config_file, config_written, write_datasets(manager, find_generator(manager)))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"cannot make {folder}: {error.strerror}") from error
