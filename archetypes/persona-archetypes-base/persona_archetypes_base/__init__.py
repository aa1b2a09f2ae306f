"""The five base archetypes: sage, trickster, guardian, explorer, creator; with texts in their voices for evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persona_core import Archetype, archetypes_from, hookimpl

if TYPE_CHECKING:
    from persona_core import PromptSet


@hookimpl
def register_archetypes() -> list[Archetype]:
    return archetypes_from(__package__)


@hookimpl
def register_prompt_sets() -> list[PromptSet]:
    """Return the held-out texts in the voices of the five."""
    from importlib.resources import files

    from persona_core import PromptSet, read_voices

    text = files(__package__).joinpath("evaluation/voices.yaml").read_text(encoding="utf-8")
    return [PromptSet(name="base-voices", held_out=read_voices(text, "voices.yaml"))]
