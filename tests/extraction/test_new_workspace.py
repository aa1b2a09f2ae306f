"""A new workspace has its configuration, its folders and its datasets; what somebody has edited is kept."""

from pathlib import Path

import pytest

from persona_core import get_config
from persona_core.errors import WorkspaceError
from persona_core.extraction.new_workspace import make_workspace


def test_what_is_missing_is_written_and_every_folder_is_there(workspace_folder: Path) -> None:
    config = get_config(workspace_folder, model="smollm2")
    files = make_workspace(config)
    assert files.config_written
    assert not files.datasets.kept
    assert get_config(workspace_folder).model.name == "smollm2"
    assert all(path.is_file() for path in (files.config_file, *files.datasets.written))
    assert config.workspace.vectors.is_dir()
    assert config.workspace.archetypes.is_dir()


def test_a_second_time_edited_files_are_kept(workspace_folder: Path) -> None:
    config = get_config(workspace_folder, model="smollm2")
    make_workspace(config)
    sage = config.workspace.persona_dataset("sage")
    sage.write_text(sage.read_text() + "# mine\n")
    files = make_workspace(config)
    assert not files.config_written
    assert files.datasets.kept == (sage,)
    assert sage.read_text().endswith("# mine\n")


def test_a_folder_that_cannot_be_made_is_named(workspace_folder: Path) -> None:
    workspace_folder.mkdir()
    (workspace_folder / "vectors").write_text("a file")
    with pytest.raises(WorkspaceError, match="cannot make .*vectors"):
        make_workspace(get_config(workspace_folder, model="smollm2"))
