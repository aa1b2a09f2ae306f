"""Published trait and role files as archetypes: `trait-casual`, `role-pirate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persona_core import Archetype, hookimpl

if TYPE_CHECKING:
    from persona_core.errors import PersonaError


@hookimpl
def register_archetypes() -> list[Archetype | PersonaError]:
    """Return the archetypes of every file, and for each that gives none the error that says why."""
    from persona_archetypes_files.collecting import collect
    from persona_archetypes_files.places import places

    return collect(places())
