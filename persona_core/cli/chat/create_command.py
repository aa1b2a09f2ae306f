"""`/create`: a persona from a description, extracted and calibrated without leaving the chat."""

from __future__ import annotations

import shlex

from persona_core.base.files import write_atomically
from persona_core.base.progress import Progress
from persona_core.chat.commands import ChatCommand, Outcome, Work
from persona_core.chat.session import ChatSession
from persona_core.errors import SteeringError


def create(session: ChatSession, value: str) -> Outcome:
    """Write the archetype, extract and calibrate."""
    from persona_core.cli.create import build
    from persona_core.cli.extract import require_axes
    from persona_core.extraction.data import find_generator

    name, description = _parts(value)
    require_axes(session.manager)
    archetype = build(session.manager, name, description, None, find_generator(session.manager))

    def run(progress: Progress) -> str:
        from persona_core.cli.extract import summary
        from persona_core.extraction.persona import extract_persona

        write_atomically(session.manager.workspace.archetype_file(name), archetype.to_yaml())
        session.manager.forget_archetypes()
        vector = extract_persona(session.engine.model, session.manager, name, progress=progress)
        warnings = [f"Warning: {warning}" for warning in vector.header.warnings]
        return "\n".join([summary(vector), *warnings, f"`/persona {name}` speaks as it"])

    return Work(run)


def _parts(value: str) -> tuple[str, str]:
    usage = '/create takes a name and a description: /create pirate "a grumpy pirate captain who loves the sea"'
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise SteeringError(f"{usage} ({error})") from error
    if len(words) < 2:
        raise SteeringError(usage)
    return words[0], " ".join(words[1:])


COMMANDS = (
    ChatCommand(
        "create", '/create NAME "description"', "make a persona, calibrated, while you wait", create,
        details="Replies that were sampled before Ctrl-C are kept: the same command goes on from there.",
    ),
)  # fmt: skip
