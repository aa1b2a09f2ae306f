"""The command reference: writes the help of every command into a page, `python -m persona_core.cli.reference PAGE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from persona_core.base.files import write_atomically
from persona_core.cli.root import PROGRAM, build_cli
from persona_core.plugins.loading import load_plugins

WIDTH = 100
INTRODUCTION = """# Commands

The `--help` text of every command; `python -m persona_core.cli.reference docs/cli.md` writes this page anew.
An error is one line on stderr and exit code 1; for a wrong command line it names the help to read, and the exit code is
2. Ctrl-C gives exit code 130.
"""


def reference(root: click.Command) -> str:
    """Return Markdown with the help of the root and of every command under it, in their own order."""
    context = click.Context(root, info_name=PROGRAM, terminal_width=WIDTH, **root.context_settings)
    return "\n".join([INTRODUCTION, *(_section(inner) for inner in _walk(context))])


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    group = context.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from _walk(click.Context(command, parent=context, info_name=name, **command.context_settings))


def _section(context: click.Context) -> str:
    level = "#" * (len(context.command_path.split()) + 1)
    return f"{level} {context.command_path}\n\n```text\n{context.get_help().rstrip()}\n```\n"


def main() -> None:
    """Write the page to the path that is the only argument, with the built-in plugin alone."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m persona_core.cli.reference PATH")
    write_atomically(Path(sys.argv[1]), reference(build_cli(load_plugins(installed=[]))))


if __name__ == "__main__":
    main()
