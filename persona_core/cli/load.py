"""`persona-steer load`: puts personas into the active set."""

import click

from persona_core.cli.app import App, model_option


@click.command("load")
@click.argument("names", nargs=-1, required=True)
@model_option
@click.pass_obj
def command(app: App, names: tuple[str, ...], model: str | None) -> None:
    """Add personas to the active set.

    `chat` and `generate` read the vectors of the active set before they start.

    \b
    Example:
      persona-steer load sage trickster
    """
    app.model_name = model
    click.echo("active set: " + ", ".join(app.manager().load(names)))
