"""`persona-steer extract-axes`: makes the safety axis, the assistant axis and the baseline."""

import click

from persona_core.cli.app import App, model_option
from persona_core.cli.extracting import extract_and_show_axes


@click.command("extract-axes")
@click.argument("which", required=False, type=click.Choice(["safety", "assistant"]))
@model_option
@click.pass_obj
def command(app: App, which: str | None, model: str | None) -> None:
    """Make both axes and the baseline of a model.

    Prints by layer how well each axis separates held-out replies, and the safety floor. Extraction of personas needs
    them. A killed run goes on where it was.

    \b
    Example:
      persona-steer extract-axes
      persona-steer extract-axes safety
    """
    app.model_name = model
    manager = app.manager()
    extract_and_show_axes(app.model(manager.config), manager, which)
