"""`persona-steer create`: a persona from a description or from another archetype."""

import click

from persona_core.archetype import Archetype
from persona_core.atomic_file import write_atomically
from persona_core.cli.app import App, model_option
from persona_core.cli.extract import extract_all, require_axes
from persona_core.errors import ArchetypeError
from persona_core.names import check_name
from persona_core.persona_data import DEFAULT_GENERATOR, generator
from persona_core.persona_manager import PersonaManager


@click.command("create")
@click.argument("name")
@click.option("--description", help="Who the persona is: 'a grumpy pirate captain who loves the sea'.")
@click.option("--from-archetype", "base", help="Start from an archetype's system prompts and questions.")
@click.option("--generator", "maker", default=DEFAULT_GENERATOR, show_default=True, help="A registered generator.")
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
    if not description and not base:
        raise click.UsageError("give --description or --from-archetype")
    app.model_name = model
    manager = app.manager()
    archetype = build(manager, name, description or "", base, maker)
    path = manager.workspace.archetypes / f"{name}.yaml"
    write_atomically(path, archetype.to_yaml())
    click.echo(f"wrote {path}")
    if no_extract:
        click.echo(f"edit it, then run `persona-steer extract {name}`")
        return
    require_axes(manager)
    extract_all(app.model(manager.config), app.manager(manager.config), [name])


def build(manager: PersonaManager, name: str, description: str, base: str | None, maker: str) -> Archetype:
    """Return the new archetype; raise `ArchetypeError` where the name is taken."""
    check_name(name, ArchetypeError)
    if name in manager.archetypes or name in manager.names():
        raise ArchetypeError(f"{name!r} is there already; choose another name, or edit or delete that one")
    if base is None:
        return generator(manager, maker).archetype(name, description, manager.question_bank())
    origin = manager.archetype(base)
    prompts = tuple(f"{prompt} {description}".strip() for prompt in origin.system_prompts)
    changes = {"name": name, "description": description or origin.description, "system_prompts": prompts}
    return origin.model_copy(update=changes)
