"""Lines about files: which files of a workspace a command has written and which it has kept."""

from persona_core.extraction.dataset_files import DatasetFiles
from persona_core.extraction.new_workspace import WorkspaceFiles
from persona_core.settings.workspace import Workspace


def dataset_lines(files: DatasetFiles, workspace: Workspace) -> list[str]:
    """Return how many datasets were written, and a line for each that was kept."""
    return [
        f"wrote {len(files.written)} datasets under {workspace.datasets}",
        *(f"kept {path} (edited)" for path in files.kept),
    ]


def workspace_lines(files: WorkspaceFiles, workspace: Workspace) -> list[str]:
    """Return what became of the configuration file and of the datasets."""
    verb = "wrote" if files.config_written else "kept"
    return [f"{verb} {workspace.config_file}", *dataset_lines(files.datasets, workspace)]
