"""`persona-steer datasets`: the text that extraction reads, as editable files."""

from pathlib import Path
from typing import Any

import click

from persona_core.cli.app import App, Decorator
from persona_core.extraction.data import (
    DEFAULT_GENERATOR,
    dataset_path,
    find_generator,
    generated_persona,
    persona_dataset,
    safety_dataset,
    write_dataset,
)
from persona_core.personas.dataset import PersonaDataset, SafetyDataset, to_text
from persona_core.settings.config import Config

KINDS = ("safety", "personas")
generator_option: Decorator[Any] = click.option(
    "--generator",
    "maker",
    default=DEFAULT_GENERATOR,
    show_default=True,
    help="A registered generator, or NAME:ARGUMENT.",
)


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
def generate(app: App, kind: str, names: tuple[str, ...], maker: str, force: bool) -> None:
    """Write the datasets into the workspace; edited files are kept unless --force.

    NAMES are the personas to write; all of them unless given.

    \b
    Example:
      persona-steer datasets generate safety
      persona-steer datasets generate personas sage trickster
    """
    if names and kind == "safety":
        raise click.UsageError("there is one safety dataset: give no names")
    write_all(app, app.config(), (kind,), maker, force, names)


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
    place = manager.workspace.safety_dataset
    click.echo(f"{'safety':20} {place if place.is_file() else 'not written: datasets generate safety'}")
    for persona in manager.archetypes:
        place = dataset_path(manager, persona)
        click.echo(f"{persona:20} {place if place.is_file() else 'not written: datasets generate personas'}")


def write_all(
    app: App,
    config: Config,
    kinds: tuple[str, ...] = KINDS,
    maker: str = DEFAULT_GENERATOR,
    force: bool = False,
    names: tuple[str, ...] = (),
) -> None:
    """Write the datasets of the kinds, and say which were written and which were kept; no names are all of them."""
    manager = app.manager(config)
    source = find_generator(manager, maker, lambda: app.model(config))
    todo: dict[Path, PersonaDataset | SafetyDataset] = {}
    if "safety" in kinds:
        todo[manager.workspace.safety_dataset] = source.safety()
    if "personas" in kinds:
        wanted = names or tuple(manager.archetypes)
        todo |= {dataset_path(manager, name): generated_persona(manager, name, source) for name in wanted}
    kept = [path for path, dataset in todo.items() if not write_dataset(path, dataset, force=force)]
    click.echo(f"wrote {len(todo) - len(kept)} datasets under {manager.workspace.datasets}")
    for path in kept:
        click.echo(f"kept {path} (edited)")
