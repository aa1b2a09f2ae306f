"""The root group: reads global options, imports the command that is asked for, and prints errors as one line."""

from __future__ import annotations

import sys
import textwrap
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import NoArgsIsHelpError, NoSuchCommand, NoSuchOption

from persona_core.base.names import nearest
from persona_core.cli.app import App
from persona_core.errors import PersonaError

if TYPE_CHECKING:
    from persona_core.settings.installed import PluginManager

PROGRAM = "persona-steer"
COMMANDS = {
    "demo": "Show the embedded model speaking as five personas.",
    "init": "Make a workspace: config.yaml, datasets and vectors.",
    "config": "Show or change the configuration.",
    "datasets": "Generate or show the data that extraction reads.",
    "extract-axes": "Make both axes and the baseline of a model.",
    "extract": "Extract and calibrate persona vectors.",
    "calibrate": "Find the dose of personas anew, or what the floor costs.",
    "create": "Create a persona from a description or an archetype.",
    "list": "List personas, and archetypes that are not extracted yet.",
    "info": "Show everything that is known of one persona.",
    "load": "Add personas to the active set.",
    "unload": "Take personas out of the active set; their files stay.",
    "delete": "Delete a persona's vector; `restore` brings it back.",
    "restore": "Bring back a persona that was deleted.",
    "generate": "Print a steered reply, or many.",
    "chat": "Chat with a steered model.",
    "eval": "Measure whether steering works, and what it costs.",
    "plot": "Draw a picture, as PNG or SVG.",
    "doctor": "Check this machine, the workspace and the model.",
    "plugins": "List plugin packages, or do something with one.",
}
"""Command -> its short help, which stands here so that `--help` imports no command; a test keeps both the same."""


class WrongUsage(click.ClickException):
    """A wrong command line: one line that says what is wrong and which help to read."""

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
        """Run a command; print a `PersonaError` as one line and exit."""
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
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; return None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"persona_core.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the user named; the error names the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(error.command_name, possibilities=list(COMMANDS), ctx=ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' short helps without importing any."""
        room = formatter.width - 6 - max(map(len, COMMANDS))
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, textwrap.shorten(text, room, placeholder="...")) for name, text in COMMANDS.items()]
            )


def in_one_line(error: click.UsageError, command: str) -> click.ClickException:
    """Return click's usage error as one line, with the help of its own command or of `command`."""
    if isinstance(error, NoArgsIsHelpError):
        return error
    asked = error.ctx.command_path if error.ctx else command
    return WrongUsage(f"{_said(error)} (see `{asked} --help`)")


def _said(error: click.UsageError) -> str:
    if isinstance(error, NoSuchCommand | NoSuchOption):
        unknown = error.command_name if isinstance(error, NoSuchCommand) else error.option_name
        near = nearest(unknown, error.possibilities or ())
        return error.message.removesuffix(".") + (f"; did you mean {near!r}?" if near else "")
    return " ".join(error.format_message().split()).removesuffix(".")


def build_cli(plugins: PluginManager | None = None) -> click.Group:
    """Return the command line for these plugins; without any, for the installed ones, loaded when first used."""

    @click.group(PROGRAM, cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(package_name="persona-core", prog_name=PROGRAM)
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
        ctx.obj = App(plugins, workspace, warns=ctx.invoked_subcommand != "plugins")

    return root
