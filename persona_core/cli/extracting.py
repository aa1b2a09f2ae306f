"""Extraction on the screen: shows progress while axes and personas are made, and prints what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from persona_core.cli.app import progress_bar, say
from persona_core.cli.vector_lines import axis_lines, extraction_line, warning_lines
from persona_core.extraction.dataset_files import size_note
from persona_core.personas.manager import PersonaManager

if TYPE_CHECKING:
    from persona_core.extraction.persona import PersonaReplies
    from persona_core.model.wrapper import ModelWrapper


def extract_and_show_axes(
    model: ModelWrapper, manager: PersonaManager, which: str | None = None
) -> Mapping[str, PersonaReplies]:
    """Make both axes or the named one; return the reference personas' replies, captured while they were made."""
    from persona_core.extraction.assistant_axis import AxisExtraction
    from persona_core.extraction.axes import extract_axes

    _say_sizes(manager, [name for name in manager.config.extraction.reference_archetypes if name in manager.archetypes])
    with progress_bar() as progress:
        work = AxisExtraction(model, manager, progress)
        axes = extract_axes(work, which)
    for axis in axes:
        click.echo("\n".join(axis_lines(axis, manager.config)))
    return work.replies


def extract_and_show_personas(
    model: ModelWrapper,
    manager: PersonaManager,
    names: Sequence[str],
    replies: Mapping[str, PersonaReplies] | None = None,
) -> None:
    """Extract personas one after the other; `replies` are those that were captured already."""
    from persona_core.extraction.persona import extract_persona

    if not replies:
        _say_sizes(manager, names)
    for name in names:
        with progress_bar() as progress:
            vector = extract_persona(model, manager, name, replies=(replies or {}).get(name), progress=progress)
        click.echo(extraction_line(vector))
        for line in warning_lines(vector):
            say(line)


def extract_and_show_everything(model: ModelWrapper, manager: PersonaManager, names: Sequence[str]) -> None:
    """Make both axes and then the personas, whose replies are sampled and captured once."""
    extract_and_show_personas(model, manager, names, extract_and_show_axes(model, manager))


def _say_sizes(manager: PersonaManager, names: Sequence[str]) -> None:
    """Say which datasets are of another size than the configuration says."""
    for note in filter(None, (size_note(manager, name) for name in names)):
        say(note)
