"""Creating: a new persona as text, from a description or from another archetype, as files that a user can edit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from persona_core.base.files import write_atomically
from persona_core.base.names import check_new_persona
from persona_core.errors import ArchetypeError, DatasetError
from persona_core.extraction.data import own_dataset, write_dataset
from persona_core.extraction.generators import DatasetGenerator
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import PersonaDataset
from persona_core.personas.manager import OWN, PersonaManager


@dataclass(frozen=True)
class NewPersona:
    """A persona as text, not written yet. `dataset` is None where extraction makes the same from the archetype."""

    archetype: Archetype
    dataset: PersonaDataset | None


def check_free(manager: PersonaManager, name: str) -> None:
    """Raise `ArchetypeError` where a name breaks the rules for names, or an archetype or a persona has it already."""
    check_new_persona(name, ArchetypeError)
    if name in manager.archetypes or name in manager.names():
        raise ArchetypeError(f"{name!r} is there already; choose another name, or edit or delete that one")


def new_persona(
    manager: PersonaManager, name: str, description: str, base: str | None, generator: DatasetGenerator
) -> NewPersona:
    """Return a persona that `generator` writes, or one from the archetype `base` with the description added.

    Raises `ArchetypeError` for a name that is taken or a `base` that is unknown.
    """
    check_free(manager, name)
    if base is None:
        archetype = generator.archetype(name, description, manager.question_bank())
    else:
        archetype = _changed(manager.archetype(base), name, description)
    return NewPersona(archetype, own_dataset(manager, archetype, generator))


def unfinished_persona(manager: PersonaManager, name: str, description: str) -> NewPersona | None:
    """Return the persona of a creation that was interrupted: an archetype of this description without a vector."""
    archetype, source = manager.archetypes.get(name, (None, ""))
    if archetype is None or source != OWN or archetype.description != description or name in manager.names():
        return None
    return NewPersona(archetype, None)


def write_persona(manager: PersonaManager, persona: NewPersona) -> list[Path]:
    """Write the archetype, and the dataset where there is one; return the files in this order.

    Raises `DatasetError`, with nothing written, where an edited dataset of the same name is there.
    """
    path = manager.workspace.persona_dataset(persona.archetype.name)
    if persona.dataset is not None and not write_dataset(path, persona.dataset):
        raise DatasetError(f"{path} is there and was edited; delete it or choose another name")
    archetype_file = manager.workspace.archetype_file(persona.archetype.name)
    write_atomically(archetype_file, persona.archetype.to_yaml())
    manager.forget_archetypes()
    return [archetype_file] if persona.dataset is None else [archetype_file, path]


def _changed(origin: Archetype, name: str, description: str) -> Archetype:
    """Return an archetype under a new name, its system and judge prompts each followed by the description."""
    changes = {"name": name, "description": description or origin.description}
    prompts = {
        field: tuple(f"{prompt} {description}".strip() for prompt in getattr(origin, field))
        for field in ("system_prompts", "judge_prompts")
    }
    return origin.model_copy(update=changes | prompts)
