"""`persona-steer create`: a persona from a description or from another archetype."""

from functools import cache

import click

from persona_core.base.files import write_atomically
from persona_core.base.names import check_name
from persona_core.cli.app import App, model_option
from persona_core.cli.datasets import generator_option
from persona_core.cli.extract import extract_all, require_axes
from persona_core.errors import ArchetypeError, DatasetError
from persona_core.extraction.data import dataset_path, find_generator, own_dataset, write_dataset
from persona_core.extraction.generators import DatasetGenerator
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import PersonaDataset
from persona_core.personas.manager import PersonaManager


@click.command("create")
@click.argument("name")
@click.option("--description", help="Who the persona is: 'a grumpy pirate captain who loves the sea'.")
@click.option("--from-archetype", "base", help="Start from an archetype's system prompts and questions.")
@generator_option
@click.option("--no-extract", is_flag=True, help="Write the archetype only; do not load the model.")
@model_option
@click.pass_obj
def command(
    app: App, name: str, description: str | None, base: str | None, maker: str, no_extract: bool, model: str | None
) -> None:
    """Create a persona: write its archetype as YAML to edit, extract its vector and calibrate it.

    \b
    Example:
      persona-steer create pirate --description "a grumpy pirate captain who loves the sea"
      persona-steer create elder --from-archetype sage --description "speaks of the harvest"
    """
    if not (description or base or ":" in maker):
        raise click.UsageError("give --description or --from-archetype")
    app.model_name = model
    manager = app.manager()
    check_free(manager, name)
    if not no_extract:
        require_axes(manager)
    load = cache(lambda: app.model(manager.config))
    source = find_generator(manager, maker, load)
    archetype = build(manager, name, description or "", base, source)
    keep(manager, archetype, own_dataset(manager, archetype, source))
    if no_extract:
        click.echo(f"edit it, then run `persona-steer extract {name}`")
        return
    extract_all(load(), app.manager(manager.config), [name])


def check_free(manager: PersonaManager, name: str) -> None:
    """Raise `ArchetypeError` where the name cannot be one or is taken."""
    check_name(name, ArchetypeError)
    if name in manager.archetypes or name in manager.names():
        raise ArchetypeError(f"{name!r} is there already; choose another name, or edit or delete that one")


def build(manager: PersonaManager, name: str, description: str, base: str | None, maker: DatasetGenerator) -> Archetype:
    """Return the new archetype; raise `ArchetypeError` where the name is taken."""
    check_free(manager, name)
    if base is None:
        return maker.archetype(name, description, manager.question_bank())
    origin = manager.archetype(base)
    prompts = tuple(f"{prompt} {description}".strip() for prompt in origin.system_prompts)
    changes = {"name": name, "description": description or origin.description, "system_prompts": prompts}
    return origin.model_copy(update=changes)


def keep(manager: PersonaManager, archetype: Archetype, dataset: PersonaDataset | None) -> None:
    """Write a new archetype, and its dataset where it has one of its own, which extraction then reads."""
    path = dataset_path(manager, archetype.name)
    if dataset is not None and not write_dataset(path, dataset):
        raise DatasetError(f"{path} is there and was edited; delete it or choose another name")
    written = manager.workspace.archetype_file(archetype.name)
    write_atomically(written, archetype.to_yaml())
    click.echo(f"wrote {written}" + (f"\nwrote {path}, which is what extraction reads" if dataset else ""))
