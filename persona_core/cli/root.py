"""The root group: global options, errors as one line, and the list of commands."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from persona_core import __version__
from persona_core.cli.app import App
from persona_core.errors import PersonaError
from persona_core.plugins import LoadFailure, PluginManager

COMMANDS = (
    "demo", "init", "config", "datasets", "extract_axes", "extract", "create", "list", "info", "load", "unload",
    "delete", "restore", "generate", "chat", "plugins",
)  # fmt: skip


class RootGroup(click.Group):
    """Prints a handled error as one line and exits with 1; Ctrl-C exits with 130; a bug shows its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except PersonaError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("\nStopped. What was finished is kept.", err=True)
            sys.exit(130)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they are used."""
        return list(self.commands)


def build_cli(plugins: PluginManager) -> click.Group:
    """Return the command line for these plugins."""

    @click.group(cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(__version__, prog_name="persona-steer")
    @click.option("--workspace", type=click.Path(path_type=Path, file_okay=False), help="The workspace folder.")
    @click.pass_context
    def root(ctx: click.Context, workspace: Path | None) -> None:
        """Steer a language model's persona, with a safety floor and a receipt for every reply.

        \b
        Example:
          persona-steer demo
          persona-steer init --model smollm2
          persona-steer generate "What makes a good life?" --persona sage
        """
        ctx.obj = App(plugins, workspace)
        if ctx.invoked_subcommand != "plugins":
            plugins.on_failure(warn)

    for name in COMMANDS:
        root.add_command(import_module(f"persona_core.cli.{name}").command)
    return root


def warn(failure: LoadFailure) -> None:
    """Say in one line which plugin does not work."""
    click.echo(f"Warning: plugin {failure.distribution} is broken at {failure.where}: {failure.error}", err=True)
