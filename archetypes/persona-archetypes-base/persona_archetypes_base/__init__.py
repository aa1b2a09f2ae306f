"""The five base archetypes: sage, trickster, guardian, explorer, creator."""

from persona_core import Archetype, archetypes_from, hookimpl


@hookimpl
def register_archetypes() -> list[Archetype]:
    return archetypes_from(__package__)
