"""`persona-steer plugins`: the group of all commands about packages; alone it lists what is installed."""

import click

from persona_core.cli.app import App, json_option
from persona_core.cli.plugins.check import check
from persona_core.cli.plugins.choosing import disable, enable
from persona_core.cli.plugins.installing import install, uninstall
from persona_core.cli.plugins.listing import show_all
from persona_core.cli.plugins.new import new
from persona_core.cli.plugins.showing import show


@click.group("plugins", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List plugin packages, or do something with one.

    The list says of each package its version, what it registered, or the error that it failed with. Two packages that
    register the same name are listed, and end the command with an error.

    \b
    Example:
      persona-steer plugins --json
    """
    if ctx.invoked_subcommand is None:
        app: App = ctx.obj
        show_all(app.plugins, as_json)


@command.command("list")
@json_option
@click.pass_obj
def list_(app: App, as_json: bool) -> None:
    """List plugin packages, as `plugins` alone does.

    \b
    Example:
      persona-steer plugins list
    """
    show_all(app.plugins, as_json)


for subcommand in (show, enable, disable, install, uninstall, new, check):
    command.add_command(subcommand)
