"""Text checks: assert that archetypes and dataset generators keep their contracts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from persona_core.base.names import check_name
from persona_core.extraction.generators import DatasetGenerator
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import Dataset, PersonaDataset, SafetyDataset, from_text, to_text
from persona_core.testing.examples import assert_is_a

_DETERMINISTIC = "the same input must give the same text: use no random numbers, no date and no state"


def check_archetype(archetype: Archetype, prompts: int = 3, questions: int = 15) -> None:
    """Assert that an archetype has enough distinct prompts and questions, and that its YAML reads back equal."""
    assert_is_a(Archetype, archetype, "the archetype")
    same = Archetype.from_yaml(archetype.to_yaml()) == archetype
    assert same, f"{archetype.name}: its YAML reads back to something else; make it an Archetype itself, of plain text"
    written, asked = len(archetype.system_prompts), len(archetype.questions)
    enough = f"write at least {prompts} that differ in wording and agree in character"
    assert written >= prompts, f"{archetype.name}: fewer than {prompts} system prompts ({written}); {enough}"
    enough = f"write at least {questions}, in its file or in a questions.yaml beside it"
    assert asked >= questions, f"{archetype.name}: fewer than {questions} questions ({asked}); {enough}"
    _assert_distinct(archetype.name, (*archetype.system_prompts, *archetype.judge_prompts))
    _assert_distinct(archetype.name, archetype.questions)


def check_dataset_generator(generator: DatasetGenerator) -> None:
    """Assert that a generator writes usable text, the same twice, within the sizes that it is asked for."""
    check_name(generator.name, kind="dataset generator")
    questions = [f"What do you think of number {number}?" for number in range(16)]
    archetypes = [_described(generator, name, questions) for name in ("pilot", "baker")]
    archetypes[1] = archetypes[1].model_copy(update={"questions": archetypes[0].questions})
    for sizes in ((1, 2), (3, 8), (50, 50)):
        datasets = [_check_dataset(generator, archetype, *sizes) for archetype in archetypes]
        shared = len({dataset.default_digest() for dataset in datasets}) == 1
        assert shared, (
            f"{generator.name}: two personas with the same questions have different default sides; "
            "write default prompts that do not depend on the persona, so that all are compared with one baseline"
        )
    _check_safety(generator)


def _described(generator: DatasetGenerator, name: str, questions: Sequence[str]) -> Archetype:
    """Return the generator's archetype for a description, once it is sound and the same twice."""
    described = f"a {name} with thirty years of work behind them"
    archetype = generator.archetype(name, described, questions)
    assert_is_a(Archetype, archetype, f"{generator.name}: what archetype returns")
    assert archetype.name == name, (
        f"{generator.name}: asked for {name!r}, it calls the archetype {archetype.name!r}; keep the name that was given"
    )
    check_archetype(archetype)
    again = generator.archetype(name, described, questions)
    assert again == archetype, f"{generator.name}: another archetype the second time; {_DETERMINISTIC}"
    return archetype


def _check_dataset(
    generator: DatasetGenerator, archetype: Archetype, n_prompts: int, n_questions: int
) -> PersonaDataset:
    dataset = generator.persona(archetype, n_prompts, n_questions)
    assert_is_a(PersonaDataset, dataset, f"{generator.name}: what persona returns")
    assert dataset.name == archetype.name, (
        f"{generator.name}: the dataset is called {dataset.name!r}; give it the archetype's name, {archetype.name!r}"
    )
    prompts = max(len(dataset.persona_prompts), len(dataset.default_prompts))
    assert prompts <= n_prompts, f"{generator.name}: {prompts} prompts, asked for {n_prompts}; cut both sides to that"
    asked = len(dataset.questions)
    assert asked <= n_questions, f"{generator.name}: {asked} questions, asked for {n_questions}; cut them to that"
    for texts in (dataset.persona_prompts, dataset.default_prompts, dataset.questions):
        _assert_distinct(generator.name, texts)
    again = generator.persona(archetype, n_prompts, n_questions)
    assert again == dataset, f"{generator.name}: another dataset the second time; {_DETERMINISTIC}"
    _assert_reads_back(generator.name, dataset)
    return dataset


def _check_safety(generator: DatasetGenerator) -> None:
    dataset = generator.safety()
    assert_is_a(SafetyDataset, dataset, f"{generator.name}: what safety returns")
    assert generator.safety() == dataset, f"{generator.name}: another safety dataset the second time; {_DETERMINISTIC}"
    _assert_distinct(generator.name, [pair.request for pair in (*dataset.train, *dataset.heldout)])
    for pair in (*dataset.train, *dataset.heldout):
        assert pair.refusal != pair.compliance, (
            f"{generator.name}: both replies to {pair.request!r} are the same; let one refuse and the other comply"
        )
    _assert_reads_back(generator.name, dataset)


def _assert_distinct(name: str, texts: Iterable[str]) -> None:
    folded = [" ".join(text.lower().split()) for text in texts]
    twice = {text for text in folded if folded.count(text) > 1}
    assert not twice, f"{name}: repeated text: {min(twice, default='')!r}; leave it out, or write it in other words"


def _assert_reads_back(generator: str, dataset: Dataset) -> None:
    same = from_text(type(dataset), to_text(dataset), "its YAML") == dataset
    assert same, (
        f"{generator}: a dataset's YAML reads back to something else; use plain text without control characters"
    )
