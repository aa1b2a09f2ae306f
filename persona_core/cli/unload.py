"""`persona-steer unload`: takes personas out of the active set."""

import click

from persona_core.base.names import suggestion
from persona_core.cli.app import App, model_option
from persona_core.errors import VectorNotFound


@click.command("unload")
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Empty the active set.")
@model_option
@click.pass_obj
def command(app: App, names: tuple[str, ...], every: bool, model: str | None) -> None:
    """Take personas out of the active set; their files stay.

    \b
    Example:
      persona-steer unload --all
    """
    if every == bool(names):
        raise click.UsageError("name the personas, or give --all")
    app.model_name = model
    manager = app.manager()
    for name in names:
        if name not in manager.loaded():
            raise VectorNotFound(f"{name!r} is not in the active set{suggestion(name, manager.loaded())}")
    left = manager.unload(None if every else names)
    click.echo("active set: " + (", ".join(left) or "empty"))
