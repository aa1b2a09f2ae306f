"""`persona-steer config`: shows, reads and sets values of the configuration."""

import json

import click

from persona_core.cli.app import App, json_option, say_alias_note
from persona_core.plugins.configured import set_key
from persona_core.settings.config import keys
from persona_core.settings.config_file import template, value_of


@click.group("config")
def command() -> None:
    """Show or change the configuration.

    \b
    Example:
      persona-steer config show
      persona-steer config set steering.default_strength 0.8
    """


@command.command("show")
@json_option
@click.pass_obj
def show(app: App, as_json: bool) -> None:
    """Show every key with the value that is in force.

    \b
    Example:
      persona-steer config show --json
    """
    config = app.config()
    if as_json:
        click.echo(json.dumps(config.model_dump(mode="json"), indent=2))
    else:
        click.echo(template(config), nl=False)


@command.command("get")
@click.argument("key")
@click.pass_obj
def get(app: App, key: str) -> None:
    """Print one value.

    \b
    Example:
      persona-steer config get model.name
    """
    value = value_of(app.config(), key)
    click.echo(value if isinstance(value, str) else json.dumps(value))


@command.command("set")
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_(app: App, key: str, value: str) -> None:
    """Set one value in the workspace's config.yaml; its comments are kept.

    Setting model.name to an alias also sets what its package recommends for that model, and takes back what was
    recommended for the one before. The name of a blending strategy or a capping policy is refused where no installed
    package has it.

    \b
    Example:
      persona-steer config set steering.safety_floor_percentile 50
      persona-steer config set extraction.target_layers 25%-50%
    """
    done = set_key(app.workspace(), app.plugins, key, value)
    click.echo(f"{key} = {json.dumps(done.value)}")
    for name, also in done.recommended.items():
        click.echo(f"{name} = {json.dumps(also)}  (recommended for {done.value})")
    for name, also in done.restored.items():
        click.echo(f"{name} = {json.dumps(also)}  (the default; it was as recommended for the model before)")
    if key == "model.name":
        say_alias_note(app, value)


@command.command("path")
@click.pass_obj
def path(app: App) -> None:
    """Print where config.yaml is, or would be.

    \b
    Example:
      persona-steer config path
    """
    click.echo(app.workspace().config_file)


@command.command("keys")
def list_keys() -> None:
    """List every key with its meaning.

    \b
    Example:
      persona-steer config keys
    """
    for key, description in keys().items():
        click.echo(f"{key:36} {description}")
