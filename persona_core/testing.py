"""What a plugin author's tests import: one check for each kind of object a plugin can bring."""

from collections.abc import Iterable

from persona_core.archetype import Archetype


def check_archetype(archetype: Archetype, prompts: int = 3, questions: int = 15) -> None:
    """Assert that an archetype can make a usable vector: enough distinct text, and YAML that reads back equal."""
    assert Archetype.from_yaml(archetype.to_yaml()) == archetype
    assert len(archetype.system_prompts) >= prompts, f"{archetype.name}: fewer than {prompts} system prompts"
    assert len(archetype.questions) >= questions, f"{archetype.name}: fewer than {questions} questions"
    _assert_distinct(archetype.name, archetype.system_prompts)
    _assert_distinct(archetype.name, archetype.questions)


def _assert_distinct(name: str, texts: Iterable[str]) -> None:
    folded = [" ".join(text.lower().split()) for text in texts]
    twice = {text for text in folded if folded.count(text) > 1}
    assert not twice, f"{name}: repeated text: {sorted(twice)[0]!r}"
