"""A new persona is written as files that a user can edit, and no name is taken twice."""

from pathlib import Path

import pytest

from persona_core import Archetype, PersonaManager, get_config
from persona_core.errors import ArchetypeError, DatasetError, VectorNotFound
from persona_core.extraction.axes import require_axes
from persona_core.extraction.creating import NewPersona, check_free, new_persona, unfinished_persona, write_persona
from persona_core.extraction.data import find_generator, persona_dataset
from persona_core.extraction.generators import Templates
from persona_core.personas.dataset import PersonaDataset


class Shouting(Templates):
    """A generator whose personas shout."""

    def persona(self, archetype: Archetype, n_prompts: int, n_questions: int) -> PersonaDataset:
        """Return the usual dataset with louder prompts."""
        usual = super().persona(archetype, n_prompts, n_questions)
        return usual.model_copy(update={"persona_prompts": tuple(map(str.upper, usual.persona_prompts))})


@pytest.fixture
def manager(workspace_folder: Path) -> PersonaManager:
    return PersonaManager(get_config(workspace_folder, model="smollm2"))


def test_a_description_becomes_an_archetype_that_extraction_reads_by_itself(manager: PersonaManager) -> None:
    persona = new_persona(manager, "pirate", "a grumpy pirate", None, find_generator(manager))
    assert persona.dataset is None
    assert write_persona(manager, persona) == [manager.workspace.archetype_file("pirate")]
    assert manager.archetype("pirate") == persona.archetype
    assert "a grumpy pirate" in persona_dataset(manager, "pirate").persona_prompts[0]


def test_what_another_generator_makes_is_written_as_the_dataset(manager: PersonaManager) -> None:
    persona = new_persona(manager, "pirate", "a grumpy pirate", None, Shouting())
    assert write_persona(manager, persona)[1:] == [manager.workspace.persona_dataset("pirate")]
    assert "A GRUMPY PIRATE" in persona_dataset(manager, "pirate").persona_prompts[0]


def test_an_archetype_is_taken_with_the_description_after_each_prompt(manager: PersonaManager) -> None:
    sage = manager.archetype("sage")
    elder = new_persona(manager, "elder", "Speak of the harvest.", "sage", find_generator(manager)).archetype
    assert elder.system_prompts == tuple(f"{prompt} Speak of the harvest." for prompt in sage.system_prompts)
    assert elder.judge_prompts == tuple(f"{prompt} Speak of the harvest." for prompt in sage.judge_prompts)
    assert elder.questions == sage.questions
    twin = new_persona(manager, "twin", "", "sage", find_generator(manager)).archetype
    assert (twin.description, twin.system_prompts) == (sage.description, sage.system_prompts)


def test_a_creation_that_was_interrupted_goes_on_with_what_it_wrote(manager: PersonaManager) -> None:
    assert unfinished_persona(manager, "pirate", "a grumpy pirate") is None
    persona = new_persona(manager, "pirate", "a grumpy pirate", None, find_generator(manager))
    write_persona(manager, persona)
    assert unfinished_persona(manager, "pirate", "a grumpy pirate") == persona
    assert unfinished_persona(manager, "pirate", "a merry pirate") is None
    manager.save(manager.persona("sage").with_header(name="pirate"))
    assert unfinished_persona(manager, "pirate", "a grumpy pirate") is None
    assert unfinished_persona(manager, "chef", manager.archetype("chef").description) is None


@pytest.mark.parametrize(("name", "message"), [("sage", "is there already"), ("../x", "is not a persona name")])
def test_a_name_that_is_taken_or_a_path_is_refused(manager: PersonaManager, name: str, message: str) -> None:
    with pytest.raises(ArchetypeError, match=message):
        check_free(manager, name)


def test_an_edited_dataset_is_not_overwritten_and_nothing_is_written_beside_it(manager: PersonaManager) -> None:
    persona = new_persona(manager, "pirate", "a grumpy pirate", None, Shouting())
    path = manager.workspace.persona_dataset("pirate")
    path.parent.mkdir(parents=True)
    path.write_text("mine\n")
    with pytest.raises(DatasetError, match="was edited"):
        write_persona(manager, persona)
    assert path.read_text() == "mine\n"
    assert not manager.workspace.archetype_file("pirate").exists()
    assert write_persona(manager, NewPersona(persona.archetype, None))


def test_a_model_without_axes_is_told_to_make_them(workspace_folder: Path) -> None:
    with pytest.raises(VectorNotFound, match="run `persona-steer extract-axes` first"):
        require_axes(PersonaManager(get_config(workspace_folder, model="someone/else")))
