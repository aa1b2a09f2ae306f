"""`persona-steer restore`: brings back a deleted persona."""

import click

from persona_core.cli.app import App, model_option


@click.command("restore")
@click.argument("name")
@model_option
@click.pass_obj
def command(app: App, name: str, model: str | None) -> None:
    """Bring back a persona that was deleted.

    \b
    Example:
      persona-steer restore sage
    """
    app.model_name = model
    app.manager().restore(name)
    click.echo(f"restored {name}")
