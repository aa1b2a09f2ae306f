"""Data: finds the dataset that extraction reads: the workspace's file if there is one, else what a generator writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persona_core.base.files import read_text, write_atomically
from persona_core.errors import DatasetError, PluginError
from persona_core.extraction.generators import DatasetGenerator, TakesArgument, WritesWithModel
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import PersonaDataset, SafetyDataset, from_text, is_edited, to_text
from persona_core.personas.manager import PersonaManager

if TYPE_CHECKING:
    from persona_core.model.wrapper import ModelWrapper

DEFAULT_GENERATOR = "templates"
USUAL_CALIBRATION = 8
"""Questions that the calibration of ready-made vectors has asked, however few the configuration says."""


def find_generator(
    manager: PersonaManager, name: str = DEFAULT_GENERATOR, model: Callable[[], ModelWrapper] | None = None
) -> DatasetGenerator:
    """Return an installed dataset generator, with the argument of `NAME:ARGUMENT` and the model if it needs one.

    `model` is called to load the model. Raises `PluginError` with the nearest name, or where a generator needs a model
    and `model` is not given.
    """
    plain, colon, argument = name.partition(":")
    generator: Any = manager.plugins.find("register_dataset_generators", plain, "dataset generator")
    if colon:
        generator = _with_argument(generator, argument)
    if isinstance(generator, WritesWithModel):
        generator = _with_model(generator, model, plain)
    return generator  # type: ignore[no-any-return]


def _with_argument(generator: Any, argument: str) -> DatasetGenerator:
    if not isinstance(generator, TakesArgument):
        raise PluginError(f"the dataset generator {generator.name!r} takes no argument; it was given {argument!r}")
    return generator.with_argument(argument)


def _with_model(generator: WritesWithModel, model: Callable[[], ModelWrapper] | None, name: str) -> DatasetGenerator:
    if model is None:
        raise PluginError(f"the dataset generator {name!r} writes with a model, and none is loaded here")
    return generator.with_model(model())


def persona_dataset(manager: PersonaManager, name: str) -> PersonaDataset:
    """Return a persona's dataset: the workspace's file, or what the default generator makes of its archetype."""
    path = manager.workspace.persona_dataset(name)
    if path.is_file():
        return from_text(PersonaDataset, read_text(path), str(path))
    return generated_dataset(manager, manager.archetype(name), find_generator(manager))


def safety_dataset(manager: PersonaManager) -> SafetyDataset:
    """Return the safety dataset: the workspace's file, or the default generator's."""
    path = manager.workspace.safety_dataset
    if path.is_file():
        return from_text(SafetyDataset, read_text(path), str(path))
    return find_generator(manager).safety()


def generated_dataset(manager: PersonaManager, archetype: Archetype, generator: DatasetGenerator) -> PersonaDataset:
    """Return the dataset that a generator makes of an archetype, at the configured size."""
    settings = manager.config.extraction
    return generator.persona(archetype, settings.system_prompts, settings.questions)


def own_dataset(manager: PersonaManager, archetype: Archetype, generator: DatasetGenerator) -> PersonaDataset | None:
    """Return the generator's dataset for a new archetype, or None if the default generator would produce the same."""
    dataset = generated_dataset(manager, archetype, generator)
    return None if dataset == generated_dataset(manager, archetype, find_generator(manager)) else dataset


def calibration_questions(manager: PersonaManager, dataset: PersonaDataset) -> list[str]:
    """Return the bank's first questions that extraction does not ask; the dataset's own if it asks all of them."""
    unused = _unused(manager, [dataset]) or list(dataset.questions)
    return unused[: manager.config.extraction.calibration_questions]


def evaluation_questions(manager: PersonaManager, names: Sequence[str]) -> list[str]:
    """Return the bank's questions that neither extraction nor calibration asks of any of the personas.

    Raises `DatasetError` where none is left.
    """
    asked_by_calibration = max(USUAL_CALIBRATION, manager.config.extraction.calibration_questions)
    held_out = _unused(manager, [persona_dataset(manager, name) for name in names])[asked_by_calibration:]
    if not held_out:
        raise DatasetError(
            "the question bank has no question that extraction and calibration leave unused; "
            "add questions to the archetypes or lower extraction.questions"
        )
    return held_out


def _unused(manager: PersonaManager, datasets: Sequence[PersonaDataset]) -> list[str]:
    used = {question for dataset in datasets for question in dataset.questions}
    return [question for question in manager.question_bank() if question not in used]


def write_dataset(path: Path, dataset: PersonaDataset | SafetyDataset, *, force: bool = False) -> bool:
    """Write a dataset unless somebody has edited the file; return whether it was written."""
    if path.is_file() and not force and is_edited(read_text(path)):
        return False
    write_atomically(path, to_text(dataset))
    return True
