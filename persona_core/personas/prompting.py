"""Prompting: whether the model gets a persona's own system prompt, beside steering or in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from persona_core.personas.manager import PersonaManager

Prompting = Literal["off", "with", "only"]


def prompted(personas: Mapping[str, float], prompting: Prompting) -> str:
    """Return the persona whose prompt the model gets: the one of the largest weight, or an empty text for none."""
    return "" if prompting == "off" or not personas else max(personas, key=personas.__getitem__)


def steered(personas: Mapping[str, float], prompting: Prompting) -> dict[str, float]:
    """Return the personas that are steered: none where the prompt stands in their place."""
    return {} if prompting == "only" else dict(personas)


def persona_prompt(manager: PersonaManager, personas: Mapping[str, float], prompting: Prompting) -> str:
    """Return the system prompt that the model gets; raise `ArchetypeError` where the persona has no archetype."""
    name = prompted(personas, prompting)
    return manager.archetype(name).system_prompts[0] if name else ""
