"""Datasets are written into the workspace, and those that somebody has edited are kept unless forced."""

from pathlib import Path

from persona_core import PersonaManager, get_config
from persona_core.extraction.data import find_generator
from persona_core.extraction.dataset_files import write_datasets


def test_named_personas_are_written_alone_and_force_overwrites_an_edited_file(workspace_folder: Path) -> None:
    manager = PersonaManager(get_config(workspace_folder, model="smollm2"))
    generator = find_generator(manager)
    sage = manager.workspace.persona_dataset("sage")
    assert write_datasets(manager, generator, ("personas",), ["sage"]).written == (sage,)
    sage.write_text("mine\n")
    assert write_datasets(manager, generator, ("personas",), ["sage"]).kept == (sage,)
    assert write_datasets(manager, generator, ("personas",), ["sage"], force=True).written == (sage,)
    assert write_datasets(manager, generator, ("safety",)).written == (manager.workspace.safety_dataset,)
