"""`persona-steer init`: make a workspace."""

from pathlib import Path

import click

from persona_core.base.files import write_atomically
from persona_core.cli.app import App
from persona_core.cli.datasets import write_all
from persona_core.errors import WorkspaceError
from persona_core.plugins.opening import get_config
from persona_core.settings.config_file import template
from persona_core.settings.workspace import Workspace, find_workspace


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
    workspace = find_workspace(folder or app.folder, None) if folder or app.folder else _here()
    make_workspace(app, workspace, model)


def make_workspace(app: App, workspace: Workspace, model: str | None) -> None:
    """Write what is missing and say what was kept."""
    if workspace.exists:
        click.echo(f"kept {workspace.config_file}")
    else:
        write_atomically(workspace.config_file, template(get_config(workspace, model=model, plugins=app.plugins)))
        click.echo(f"wrote {workspace.config_file}")
    for place in (workspace.vectors, workspace.archetypes, workspace.persona_datasets, workspace.safety_dataset.parent):
        _make(place)
    write_all(app, get_config(workspace, plugins=app.plugins))


def _here() -> Workspace:
    import os

    from persona_core.settings.workspace import HOME_VARIABLE

    return find_workspace(Path(os.environ.get(HOME_VARIABLE) or Path.cwd()))


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"cannot make {place}: {error.strerror}") from error
