"""The root group shows every command with its short help, and imports none for it."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import Result

from persona_core.cli import build_cli
from persona_core.cli.root import COMMANDS
from persona_core.plugins.loading import load_plugins

Run = Callable[..., Result]


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and subcommand."""
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize(("name", "shown"), COMMANDS.items(), ids=list(COMMANDS))
def test_the_short_help_that_is_shown_without_importing_a_command_is_its_own(name: str, shown: str) -> None:
    command = build_cli().get_command(click.Context(build_cli()), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(1000) == shown


def test_every_short_help_fits_into_a_terminal_of_80_columns(run: Run) -> None:
    shown = run("--help").stdout
    assert [text for text in COMMANDS.values() if text not in shown] == []


def test_the_help_of_the_root_imports_neither_commands_nor_plugins() -> None:
    code = "import sys; from persona_core.cli import main; sys.argv = ['persona-steer', '--help']; main()"
    listing = f"import atexit, sys; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); {code}"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    assert not {"pydantic", "yaml", "persona_core.cli.chat", "persona_core.plugins.loading"} & set(
        ast.literal_eval(done.stderr)
    )


@pytest.mark.parametrize("words", list(commands(build_cli(load_plugins()))), ids=" ".join)
def test_help_of_every_command_shows_an_example(run: Run, words: tuple[str, ...]) -> None:
    assert "Example:\n  persona-steer" in run(*words, "--help").stdout.replace("    ", "  ")
