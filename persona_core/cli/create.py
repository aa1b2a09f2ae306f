"""`persona-steer create`: makes a persona from a description or from another archetype."""

from functools import cache

import click

from persona_core.cli.app import App, model_option
from persona_core.cli.extracting import extract_and_show_personas
from persona_core.cli.generator_option import generator_option
from persona_core.extraction.axes import require_axes
from persona_core.extraction.creating import check_free, new_persona, write_persona
from persona_core.extraction.data import find_generator


@click.command("create")
@click.argument("name")
@click.option("--description", help="Who the persona is: 'a grumpy pirate captain who loves the sea'.")
@click.option("--from-archetype", "base", help="Start from an archetype's system prompts and questions.")
@generator_option
@click.option("--no-extract", is_flag=True, help="Write the archetype only; do not load the model.")
@model_option
@click.pass_obj
def command(
    app: App, name: str, description: str | None, base: str | None, generator: str, no_extract: bool, model: str | None
) -> None:
    """Create a persona from a description or an archetype.

    Writes its archetype as YAML to edit, extracts its vector and calibrates it.

    \b
    Example:
      persona-steer create pirate --description "a grumpy pirate captain who loves the sea"
      persona-steer create elder --from-archetype sage --description "speaks of the harvest"
    """
    if not (description or base or ":" in generator):
        raise click.UsageError("give --description or --from-archetype")
    app.model_name = model
    manager = app.manager()
    check_free(manager, name)
    if not no_extract:
        require_axes(manager)
    load = cache(lambda: app.model(manager.config))
    persona = new_persona(manager, name, description or "", base, find_generator(manager, generator, load))
    archetype_file, *dataset_files = write_persona(manager, persona)
    click.echo(f"wrote {archetype_file}")
    for path in dataset_files:
        click.echo(f"wrote {path}, which is what extraction reads")
    if no_extract:
        click.echo(f"edit it, then run `persona-steer extract {name}`")
        return
    extract_and_show_personas(load(), manager, [name])
