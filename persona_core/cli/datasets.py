"""`persona-steer datasets`: writes and shows the text that extraction reads, as editable files."""

import click

from persona_core.cli.app import App
from persona_core.cli.file_lines import dataset_lines
from persona_core.cli.generator_option import generator_option
from persona_core.extraction.data import find_generator, persona_dataset, safety_dataset
from persona_core.extraction.dataset_files import KINDS, write_datasets
from persona_core.personas.dataset import to_text


@click.group("datasets")
def command() -> None:
    """Generate or show the data that extraction reads.

    \b
    Example:
      persona-steer datasets generate personas
      persona-steer datasets show sage
    """


@command.command("generate")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("names", nargs=-1)
@generator_option
@click.option("--force", is_flag=True, help="Overwrite files that were edited, too.")
@click.pass_obj
def generate(app: App, kind: str, names: tuple[str, ...], generator: str, force: bool) -> None:
    """Write the datasets into the workspace; edited files are kept unless --force.

    NAMES are the personas to write; all of them unless given.

    \b
    Example:
      persona-steer datasets generate safety
      persona-steer datasets generate personas sage trickster
    """
    if names and kind == "safety":
        raise click.UsageError("there is one safety dataset: give no names")
    manager = app.manager()
    writer = find_generator(manager, generator, lambda: app.model(manager.config))
    files = write_datasets(manager, writer, (kind,), names, force=force)
    click.echo("\n".join(dataset_lines(files, manager.workspace)))


@command.command("show")
@click.argument("name", required=False)
@click.pass_obj
def show(app: App, name: str | None) -> None:
    """Show one dataset (a persona's name, or safety), or list them all.

    \b
    Example:
      persona-steer datasets show safety
    """
    manager = app.manager()
    if name is not None:
        click.echo(to_text(safety_dataset(manager) if name == "safety" else persona_dataset(manager, name)), nl=False)
        return
    rows = {"safety": (manager.workspace.safety_dataset, "safety")}
    rows |= {persona: (manager.workspace.persona_dataset(persona), "personas") for persona in manager.archetypes}
    for row, (path, kind) in rows.items():
        click.echo(f"{row:20} {path if path.is_file() else f'not written: datasets generate {kind}'}")
