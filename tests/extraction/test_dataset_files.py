"""Datasets are written into the workspace, and those that somebody has edited are kept unless forced."""

from pathlib import Path

from persona_core import PersonaManager, get_config
from persona_core.extraction.data import find_generator
from persona_core.extraction.dataset_files import size_note, write_datasets


def test_named_personas_are_written_alone_and_force_overwrites_an_edited_file(workspace_folder: Path) -> None:
    manager = PersonaManager(get_config(workspace_folder, model="smollm2"))
    generator = find_generator(manager)
    sage = manager.workspace.persona_dataset("sage")
    assert write_datasets(manager, generator, ("personas",), ["sage"]).written == (sage,)
    sage.write_text("mine\n")
    assert write_datasets(manager, generator, ("personas",), ["sage"]).kept == (sage,)
    assert write_datasets(manager, generator, ("personas",), ["sage"], force=True).written == (sage,)
    assert write_datasets(manager, generator, ("safety",)).written == (manager.workspace.safety_dataset,)


def test_a_generated_file_of_another_size_than_configured_is_named_and_an_edited_one_is_not(
    workspace_folder: Path,
) -> None:
    manager = PersonaManager(get_config(workspace_folder, model="smollm2"))
    assert size_note(manager, "sage") == ""
    write_datasets(manager, find_generator(manager), ("personas",), ["sage"])
    assert size_note(manager, "sage") == ""
    fewer = PersonaManager(manager.config.replace({"extraction.questions": 12}))
    note = size_note(fewer, "sage")
    assert "has 5 prompts × 20 questions; the configuration asks for 5 prompts × 12 questions" in note
    assert "`persona-steer datasets generate personas sage` writes it anew" in note
    path = manager.workspace.persona_dataset("sage")
    path.write_text(path.read_text().replace("sage", "owl"))
    assert size_note(fewer, "sage") == ""
