"""`persona-steer extract-axes`: makes the safety axis, the assistant axis and the baseline."""

import click

from persona_core.cli.app import App, model_option
from persona_core.cli.extracting import extract_and_show_axes


@click.command("extract-axes")
@click.argument("which", required=False, type=click.Choice(["safety", "assistant"]))
@model_option
@click.pass_obj
def command(app: App, which: str | None, model: str | None) -> None:
    """Make the axes and the assistant baseline, with held-out separation and floor by layer.

    A killed run goes on where it was.

    \b
    Example:
      persona-steer extract-axes
      persona-steer extract-axes safety
    """
    app.model_name = model
    manager = app.manager()
    extract_and_show_axes(app.model(manager.config), manager, which)
