"""`persona-steer delete`: moves a persona to the trash."""

import click

from persona_core.cli.app import App, model_option


@click.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@model_option
@click.pass_obj
def command(app: App, name: str, yes: bool, model: str | None) -> None:
    """Delete a persona's vector; `restore` brings it back.

    \b
    Example:
      persona-steer delete sage
    """
    app.model_name = model
    manager = app.manager()
    path = manager.require(name)
    if not yes:
        click.confirm(f"Delete persona {name} ({path})?", abort=True)
    manager.delete(name)
    click.echo(f"deleted {name}; bring it back with `persona-steer restore {name}`")
