"""Dataset files: the text that extraction reads, written into the workspace for every persona and for safety."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from persona_core.base.files import read_text
from persona_core.extraction.data import find_generator, generated_dataset, persona_dataset, write_dataset
from persona_core.extraction.generators import DatasetGenerator
from persona_core.personas.dataset import PersonaDataset, SafetyDataset, is_edited
from persona_core.personas.manager import PersonaManager

KINDS = ("safety", "personas")


@dataclass(frozen=True)
class DatasetFiles:
    """The files that were written, and those that were kept because somebody had edited them."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def write_datasets(
    manager: PersonaManager,
    generator: DatasetGenerator,
    kinds: Sequence[str] = KINDS,
    names: Sequence[str] = (),
    *,
    force: bool = False,
) -> DatasetFiles:
    """Write the datasets of some kinds, for the named personas or for all; `force` overwrites edited files too."""
    datasets: dict[Path, PersonaDataset | SafetyDataset] = {}
    if "safety" in kinds:
        datasets[manager.workspace.safety_dataset] = generator.safety()
    if "personas" in kinds:
        for name in names or manager.archetypes:
            dataset = generated_dataset(manager, manager.archetype(name), generator)
            datasets[manager.workspace.persona_dataset(name)] = dataset
    written = {path for path, dataset in datasets.items() if write_dataset(path, dataset, force=force)}
    return DatasetFiles(
        tuple(path for path in datasets if path in written), tuple(path for path in datasets if path not in written)
    )


def size_note(manager: PersonaManager, name: str) -> str:
    """Return what to do where a generated file is of another size than the configuration says, else nothing.

    Extraction reads the file. A file that somebody has edited is as large as they want it.
    """
    path = manager.workspace.persona_dataset(name)
    if not path.is_file() or is_edited(read_text(path)):
        return ""
    found = persona_dataset(manager, name)
    wanted = generated_dataset(manager, manager.archetype(name), find_generator(manager))
    if _size(found) == _size(wanted):
        return ""
    return (
        f"{name}: {path} has {_size(found)}; the configuration asks for {_size(wanted)}: "
        f"`persona-steer datasets generate personas {name}` writes it anew"
    )


def _size(dataset: PersonaDataset) -> str:
    return f"{len(dataset.persona_prompts)} prompts × {len(dataset.questions)} questions"
