"""`persona-steer extract`: makes persona vectors from archetypes."""

import click

from persona_core.cli.app import App, model_option
from persona_core.cli.extracting import extract_and_show_personas
from persona_core.extraction.axes import require_axes


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
    extract_and_show_personas(app.model(manager.config), manager, names)
