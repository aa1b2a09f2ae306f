"""Slash command `/create`: a persona from a description, extracted and calibrated without leaving the chat."""

from __future__ import annotations

import shlex

from persona_core.base.progress import Progress
from persona_core.chat.commands import ChatCommand, Outcome, Work
from persona_core.chat.session import ChatSession
from persona_core.cli.vector_lines import extraction_line, warning_lines
from persona_core.errors import SteeringError
from persona_core.extraction.axes import require_axes
from persona_core.extraction.creating import new_persona, unfinished_persona, write_persona
from persona_core.extraction.data import find_generator


def create(session: ChatSession, value: str) -> Outcome:
    """Check the request now; return the work that writes the archetype, extracts and calibrates."""
    name, description = _name_and_description(value)
    manager = session.manager
    require_axes(manager)
    persona = unfinished_persona(manager, name, description) or new_persona(
        manager, name, description, None, find_generator(manager)
    )

    def run(progress: Progress) -> str:
        from persona_core.extraction.persona import extract_persona

        write_persona(manager, persona)
        vector = extract_persona(session.engine.model, manager, name, progress=progress)
        return "\n".join([extraction_line(vector), *warning_lines(vector), f"`/persona {name}` speaks as it"])

    return Work(run)


def _name_and_description(value: str) -> tuple[str, str]:
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
