"""Which data a persona is extracted from: the workspace's dataset if there is one, else its archetype's."""

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


def find_generator(
    manager: PersonaManager, name: str = DEFAULT_GENERATOR, model: Callable[[], ModelWrapper] | None = None
) -> DatasetGenerator:
    """Return an installed dataset generator, with the argument of `NAME:ARGUMENT` and the model where it wants one.

    `model` loads it. Raises `PluginError` with the nearest name, or where there is nobody to load a model.
    """
    plain, colon, argument = name.partition(":")
    found: Any = manager.plugins.find("register_dataset_generators", plain, "dataset generator")
    if colon:
        found = _with_argument(found, argument)
    if isinstance(found, WritesWithModel):
        found = _with_model(found, model, plain)
    return found  # type: ignore[no-any-return]


def _with_argument(found: Any, argument: str) -> DatasetGenerator:
    if not isinstance(found, TakesArgument):
        raise PluginError(f"the dataset generator {found.name!r} takes no argument; it was given {argument!r}")
    return found.with_argument(argument)


def _with_model(found: WritesWithModel, model: Callable[[], ModelWrapper] | None, name: str) -> DatasetGenerator:
    if model is None:
        raise PluginError(f"the dataset generator {name!r} writes with a model, and none is loaded here")
    return found.with_model(model())


def persona_dataset(manager: PersonaManager, name: str) -> PersonaDataset:
    """Return the workspace's dataset of a persona, or the one its archetype gives."""
    path = manager.workspace.persona_dataset(name)
    if path.is_file():
        return from_text(PersonaDataset, read_text(path), str(path))
    return generated_persona(manager, name, find_generator(manager))


def safety_dataset(manager: PersonaManager) -> SafetyDataset:
    """Return the workspace's safety dataset, or the generated one."""
    path = manager.workspace.safety_dataset
    if path.is_file():
        return from_text(SafetyDataset, read_text(path), str(path))
    return find_generator(manager).safety()


def generated_persona(manager: PersonaManager, name: str, maker: DatasetGenerator) -> PersonaDataset:
    """Return what a generator makes of an archetype, at the configured size."""
    settings = manager.config.extraction
    return maker.persona(manager.archetype(name), settings.system_prompts, settings.questions)


def own_dataset(manager: PersonaManager, archetype: Archetype, maker: DatasetGenerator) -> PersonaDataset | None:
    """Return what a generator makes of a new archetype, or None where extraction makes the same of it by itself."""
    settings = manager.config.extraction
    made, usual = (
        each.persona(archetype, settings.system_prompts, settings.questions)
        for each in (maker, find_generator(manager))
    )
    return None if made == usual else made


def calibration_questions(manager: PersonaManager, dataset: PersonaDataset, n: int) -> list[str]:
    """Return the first questions of the bank that extraction does not ask; those of the dataset where none is left."""
    return (_fresh(manager, [dataset]) or list(dataset.questions))[:n]


def evaluation_questions(manager: PersonaManager, names: Sequence[str], n_calibration: int) -> list[str]:
    """Return the questions of the bank that neither extraction nor calibration asks for any of the personas.

    Raises `DatasetError` where none is left.
    """
    fresh = _fresh(manager, [persona_dataset(manager, name) for name in names])[n_calibration:]
    if not fresh:
        raise DatasetError(
            "the question bank has no question that extraction and calibration leave unused; "
            "add questions to the archetypes or lower extraction.questions"
        )
    return fresh


def _fresh(manager: PersonaManager, datasets: Sequence[PersonaDataset]) -> list[str]:
    used = {question for dataset in datasets for question in dataset.questions}
    return [question for question in manager.question_bank() if question not in used]


def write_dataset(path: Path, dataset: PersonaDataset | SafetyDataset, *, force: bool = False) -> bool:
    """Write a dataset unless somebody has edited the one that is there; tell whether it was written."""
    if path.is_file() and not force and is_edited(read_text(path)):
        return False
    write_atomically(path, to_text(dataset))
    return True
