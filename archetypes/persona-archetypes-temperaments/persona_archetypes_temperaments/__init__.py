"""Ten temperaments: the high and the low pole of each factor of the Big Five."""

from persona_core import Archetype, archetypes_from, hookimpl


@hookimpl
def register_archetypes() -> list[Archetype]:
    return archetypes_from(__package__)
