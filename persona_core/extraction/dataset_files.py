"""Dataset files: the text that extraction reads, written into the workspace for every persona and for safety."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from persona_core.extraction.data import generated_dataset, write_dataset
from persona_core.extraction.generators import DatasetGenerator
from persona_core.personas.dataset import PersonaDataset, SafetyDataset
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
