"""Checks of what brings text: archetypes and dataset generators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from persona_core.archetype import Archetype
from persona_core.dataset import PersonaDataset, SafetyDataset, from_text, to_text
from persona_core.dataset_generator import DatasetGenerator
from persona_core.names import check_name


def check_archetype(archetype: Archetype, prompts: int = 3, questions: int = 15) -> None:
    """Assert that an archetype can make a usable vector: enough distinct text, and YAML that reads back equal."""
    assert Archetype.from_yaml(archetype.to_yaml()) == archetype
    assert len(archetype.system_prompts) >= prompts, f"{archetype.name}: fewer than {prompts} system prompts"
    assert len(archetype.questions) >= questions, f"{archetype.name}: fewer than {questions} questions"
    _assert_distinct(archetype.name, archetype.system_prompts)
    _assert_distinct(archetype.name, archetype.questions)


def check_dataset_generator(generator: DatasetGenerator) -> None:
    """Assert that a generator writes usable text, the same each time, within the sizes that it is asked for."""
    check_name(generator.name, kind="dataset generator")
    questions = [f"What do you think of number {number}?" for number in range(16)]
    archetypes = [_described(generator, name, questions) for name in ("pilot", "baker")]
    archetypes[1] = archetypes[1].model_copy(update={"questions": archetypes[0].questions})
    for sizes in ((1, 2), (3, 8), (50, 50)):
        datasets = [_check_dataset(generator, archetype, *sizes) for archetype in archetypes]
        shared = len({dataset.default_digest() for dataset in datasets}) == 1
        assert shared, f"{generator.name}: two personas with the same questions have different default sides"
    _check_safety(generator)


def _described(generator: DatasetGenerator, name: str, questions: Sequence[str]) -> Archetype:
    """Return the generator's archetype for a description, sound and the same twice."""
    described = f"a {name} with thirty years of work behind them"
    archetype = generator.archetype(name, described, questions)
    assert archetype.name == name, f"{generator.name}: asked for {name!r}, it calls the archetype {archetype.name!r}"
    check_archetype(archetype)
    again = generator.archetype(name, described, questions)
    assert again == archetype, f"{generator.name}: another archetype the second time"
    return archetype


def _check_dataset(
    generator: DatasetGenerator, archetype: Archetype, n_prompts: int, n_questions: int
) -> PersonaDataset:
    dataset = generator.persona(archetype, n_prompts, n_questions)
    assert dataset.name == archetype.name, f"{generator.name}: the dataset is called {dataset.name!r}"
    prompts = max(len(dataset.persona_prompts), len(dataset.default_prompts))
    assert prompts <= n_prompts, f"{generator.name}: {prompts} prompts, asked for {n_prompts}"
    asked = len(dataset.questions)
    assert asked <= n_questions, f"{generator.name}: {asked} questions, asked for {n_questions}"
    for texts in (dataset.persona_prompts, dataset.default_prompts, dataset.questions):
        _assert_distinct(generator.name, texts)
    again = generator.persona(archetype, n_prompts, n_questions)
    assert again == dataset, f"{generator.name}: another dataset the second time"
    assert from_text(PersonaDataset, to_text(dataset), "its YAML") == dataset
    return dataset


def _check_safety(generator: DatasetGenerator) -> None:
    dataset = generator.safety()
    assert generator.safety() == dataset, f"{generator.name}: another safety dataset the second time"
    _assert_distinct(generator.name, [pair.request for pair in (*dataset.train, *dataset.heldout)])
    for pair in (*dataset.train, *dataset.heldout):
        assert pair.refusal != pair.compliance, f"{generator.name}: both replies to {pair.request!r} are the same"
    assert from_text(SafetyDataset, to_text(dataset), "its YAML") == dataset


def _assert_distinct(name: str, texts: Iterable[str]) -> None:
    folded = [" ".join(text.lower().split()) for text in texts]
    twice = {text for text in folded if folded.count(text) > 1}
    assert not twice, f"{name}: repeated text: {sorted(twice)[0]!r}"
