"""`persona-steer init`: makes a workspace."""

import os
from pathlib import Path

import click

from persona_core.cli.app import App, say_alias_note
from persona_core.cli.file_lines import workspace_lines
from persona_core.extraction.new_workspace import make_workspace
from persona_core.plugins.opening import get_config
from persona_core.settings.workspace import HOME_VARIABLE, find_workspace


@click.command("init")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--model", help="The model to write into config.yaml, such as smollm2.")
@click.pass_obj
def command(app: App, folder: Path | None, model: str | None) -> None:
    """Make a workspace: config.yaml, datasets and vectors. Never overwrites a file that you have edited.

    FOLDER is the current folder unless given (or --workspace, or $PERSONA_STEER_HOME).

    \b
    Example:
      persona-steer init my-personas --model smollm2
    """
    workspace = find_workspace(folder or app.folder or Path(os.environ.get(HOME_VARIABLE) or Path.cwd()))
    config = get_config(workspace, model=None if workspace.exists else model, plugins=app.plugins)
    if model not in (None, config.model.name):
        raise click.UsageError(
            f"{workspace.root} is a workspace of {config.model.name} already: "
            f"`persona-steer config set model.name {model}` changes that"
        )
    say_alias_note(app, config.model.name)
    click.echo("\n".join(workspace_lines(make_workspace(config), workspace)))
