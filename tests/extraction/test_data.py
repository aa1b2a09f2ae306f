"""Data: the workspace's files come first, and no evaluation asks what extraction or calibration has asked."""

from pathlib import Path

import pytest

from persona_core import PersonaManager, get_config
from persona_core.errors import DatasetError
from persona_core.extraction.data import (
    calibration_questions,
    evaluation_questions,
    find_generator,
    generated_dataset,
    own_dataset,
    persona_dataset,
    safety_dataset,
    write_dataset,
)
from persona_core.extraction.generators import Templates
from persona_core.personas.dataset import PersonaDataset


@pytest.fixture
def manager(workspace_folder: Path) -> PersonaManager:
    """A manager of an empty workspace."""
    return PersonaManager(get_config(workspace_folder, model="smollm2"))


class Curt(Templates):
    """A generator that asks two questions alone."""

    def persona(self, archetype, n_prompts, n_questions) -> PersonaDataset:
        return super().persona(archetype, n_prompts, 2)


def test_a_file_of_the_workspace_comes_before_what_the_archetype_gives(manager: PersonaManager) -> None:
    generated = persona_dataset(manager, "sage")
    assert len(generated.questions) == manager.config.extraction.questions
    changed = generated.model_copy(update={"questions": generated.questions[:2]})
    assert write_dataset(manager.workspace.persona_dataset("sage"), changed)
    assert persona_dataset(manager, "sage") == changed


def test_a_file_for_safety_comes_before_the_generated_one(manager: PersonaManager) -> None:
    generated = safety_dataset(manager)
    changed = generated.model_copy(update={"frames": ("Please: {request}",)})
    write_dataset(manager.workspace.safety_dataset, changed)
    assert safety_dataset(manager).frames == ("Please: {request}",)


def test_a_file_that_somebody_edited_is_only_overwritten_by_force(manager: PersonaManager) -> None:
    path, dataset = manager.workspace.persona_dataset("sage"), persona_dataset(manager, "sage")
    assert write_dataset(path, dataset)
    path.write_text(path.read_text().replace("sage", "owl"))
    assert not write_dataset(path, dataset)
    assert "owl" in path.read_text()
    assert write_dataset(path, dataset, force=True)
    assert persona_dataset(manager, "sage") == dataset


def test_a_generators_dataset_is_kept_only_where_the_default_one_would_differ(manager: PersonaManager) -> None:
    sage = manager.archetype("sage")
    assert own_dataset(manager, sage, find_generator(manager)) is None
    assert own_dataset(manager, sage, Curt()) == generated_dataset(manager, sage, Curt())


def test_calibration_asks_what_extraction_does_not_and_evaluation_neither(manager: PersonaManager) -> None:
    dataset = persona_dataset(manager, "sage")
    calibration = calibration_questions(manager, dataset)
    held_out = evaluation_questions(manager, ["sage", "trickster"])
    assert len(calibration) == 8
    assert not {*calibration} & {*dataset.questions}
    assert not {*held_out} & {*calibration, *dataset.questions}


def test_where_extraction_asks_all_of_the_bank_calibration_asks_it_again(manager: PersonaManager) -> None:
    whole = persona_dataset(manager, "sage").model_copy(update={"questions": manager.question_bank()})
    three = PersonaManager(manager.config.replace({"extraction.calibration_questions": 3}))
    assert calibration_questions(three, whole) == list(manager.question_bank()[:3])


def test_evaluation_leaves_out_what_ready_made_vectors_were_calibrated_with(manager: PersonaManager) -> None:
    few = PersonaManager(manager.config.replace({"extraction.calibration_questions": 2}))
    assert evaluation_questions(few, ["sage"]) == evaluation_questions(manager, ["sage"])


def test_an_evaluation_without_a_held_out_question_is_an_error(manager: PersonaManager) -> None:
    greedy = PersonaManager(manager.config.replace({"extraction.questions": len(manager.question_bank()) - 8}))
    with pytest.raises(DatasetError, match="no question that extraction and calibration leave unused"):
        evaluation_questions(greedy, ["sage"])
