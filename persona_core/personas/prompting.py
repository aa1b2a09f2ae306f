"""A persona's own system prompt: not given to the model, given beside steering, or given in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from persona_core.personas.manager import PersonaManager

Prompting = Literal["off", "with", "only"]


def prompted(personas: Mapping[str, float], prompting: Prompting) -> str:
    """Return the persona whose prompt is given, the one that weighs most; nothing where none is."""
    return "" if prompting == "off" or not personas else max(personas, key=personas.__getitem__)


def steered(personas: Mapping[str, float], prompting: Prompting) -> dict[str, float]:
    """Return what is steered: nothing where the prompt stands in its place."""
    return {} if prompting == "only" else dict(personas)


def persona_prompt(manager: PersonaManager, personas: Mapping[str, float], prompting: Prompting) -> str:
    """Return the system prompt that is given; raise where the persona has no archetype to take it from."""
    name = prompted(personas, prompting)
    return manager.archetype(name).system_prompts[0] if name else ""
