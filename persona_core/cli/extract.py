"""`persona-steer extract`: persona vectors from archetypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from persona_core.cli.app import App, model_option, progress_bar
from persona_core.errors import VectorNotFound
from persona_core.personas.manager import PersonaManager

if TYPE_CHECKING:
    from persona_core.extraction.persona import PersonaReplies
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.vectors.vector import PersonaVector


@click.command("extract")
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every installed archetype and the workspace's own.")
@model_option
@click.pass_obj
def command(app: App, names: tuple[str, ...], every: bool, model: str | None) -> None:
    """Extract and calibrate persona vectors. A killed run goes on where it was.

    \b
    Example:
      persona-steer extract sage trickster
      persona-steer extract --all
    """
    if every == bool(names):
        raise click.UsageError("name the personas, or give --all")
    app.model_name = model
    manager = app.manager()
    names = tuple(manager.archetypes) if every else names
    for name in names:
        manager.archetype(name)
    require_axes(manager)
    extract_all(app.model(manager.config), manager, names)


def extract_all(
    model: ModelWrapper,
    manager: PersonaManager,
    names: Sequence[str],
    replies: Mapping[str, PersonaReplies] | None = None,
) -> None:
    """Extract personas one after the other, and say what came out; `replies` are those that are captured already."""
    from persona_core.extraction.persona import extract_persona

    for name in names:
        with progress_bar() as progress:
            known = (replies or {}).get(name)
            vector = extract_persona(model, manager, name, replies=known, progress=progress)
        click.echo(summary(vector))
        warn(vector)


def warn(vector: PersonaVector) -> None:
    """Say what is weak about a persona."""
    for warning in vector.header.warnings:
        click.echo(f"Warning: {warning}", err=True)


def require_axes(manager: PersonaManager) -> None:
    """Raise before the model is loaded where the axes are missing."""
    if not manager.has_baseline():
        raise VectorNotFound(f"no axes for {manager.slug} yet; run `persona-steer extract-axes` first")


def summary(vector: PersonaVector) -> str:
    """Return a line on an extracted persona."""
    header, found = vector.header, vector.header.calibration
    assert found is not None
    return (
        f"{vector.name}: {header.n_rollouts} replies, halves agree with cosine "
        f"{header.measured['split_half_cosine']:.2f}; strength 1.0 = dose {found.dose:.3f}, "
        f"damage {found.damage:.2f} and gain {found.gain:.2f} nats/token"
    )
