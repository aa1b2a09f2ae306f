"""The root group: global options, errors as one line, and the list of commands."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from persona_core import __version__
from persona_core.cli.app import App
from persona_core.errors import PersonaError
from persona_core.plugins import LoadFailure, PluginManager

PROGRAM = "persona-steer"
COMMANDS = (
    "demo", "init", "config", "datasets", "extract_axes", "extract", "calibrate", "create", "list", "info", "load",
    "unload", "delete", "restore", "generate", "chat", "eval", "plot", "plugins",
)  # fmt: skip


class WrongUsage(click.ClickException):
    """A wrong command line, in one line that names the help to read."""

    exit_code = 2


class RootGroup(click.Group):
    """Prints an error as one line and exits with 1, or 2 for a wrong command line; Ctrl-C exits with 130.

    A bug shows its traceback.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the global options."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise in_one_line(error, PROGRAM) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise in_one_line(error, f"{PROGRAM} {ctx.invoked_subcommand or ''}".strip()) from error
        except PersonaError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("\nStopped. What was finished is kept.", err=True)
            sys.exit(130)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they are used."""
        return list(self.commands)


def in_one_line(error: click.UsageError, command: str) -> click.ClickException:
    """Return click's usage error as one line, with the help of its own command or of `command`."""
    if isinstance(error, NoArgsIsHelpError):
        return error
    asked = error.ctx.command_path if error.ctx else command
    return WrongUsage(f"{_said(error)} (see `{asked} --help`)")


def _said(error: click.UsageError) -> str:
    near = getattr(error, "possibilities", None)
    if near:
        return f"{error.message.removesuffix('.')}; did you mean {near[0]!r}?"
    return " ".join(error.format_message().split()).removesuffix(".")


def build_cli(plugins: PluginManager) -> click.Group:
    """Return the command line for these plugins."""

    @click.group(PROGRAM, cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(__version__, prog_name=PROGRAM)
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
