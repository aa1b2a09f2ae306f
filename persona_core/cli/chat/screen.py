"""Screens: what the chat shows text on; a terminal that renders Markdown, or plain lines for a pipe or a file.

Replies and the output of commands go to stdout; receipts, notes and errors go to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import click

Footer = Callable[[], str]
_NARROW = 60
_REFRESHES = 12


class Screen(Protocol):
    """What the chat shows text on."""

    def reply(self, pieces: Iterable[str], footer: Footer, doing: str) -> None:
        """Show a reply piece by piece, and what the model is `doing` until the first one comes.

        Where the pieces raise, what came before stays on the screen.
        """
        ...

    def say(self, text: str) -> None:
        """Show the output of a command."""
        ...

    def note(self, text: str) -> None:
        """Show a line beside the replies: a receipt, a note, an error."""
        ...

    def columns(self, texts: Mapping[str, str]) -> None:
        """Show texts side by side where there is room."""
        ...

    def waiting(self, doing: str) -> AbstractContextManager[object]:
        """Show that work is going on for as long as the context lasts."""
        ...


class PlainScreen:
    """Writes text as it is."""

    def reply(self, pieces: Iterable[str], footer: Footer, doing: str) -> None:
        """Write every piece as soon as it comes."""
        try:
            for piece in pieces:
                click.echo(piece, nl=False)
                sys.stdout.flush()
        finally:
            click.echo()

    def say(self, text: str) -> None:
        """Write a line."""
        click.echo(text)

    def note(self, text: str) -> None:
        """Write a line to stderr."""
        click.echo(text, err=True)

    def columns(self, texts: Mapping[str, str]) -> None:
        """Write the texts one after the other, each under its heading."""
        click.echo("\n\n".join(f"[{heading}]\n{text}" for heading, text in texts.items()))

    def waiting(self, doing: str) -> AbstractContextManager[object]:
        """Write a line."""
        self.note(f"({doing}…)")
        return nullcontext()


class RichScreen:
    """Renders Markdown block by block: it prints a finished block once and redraws only the last one."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False)
        self.errors = Console(stderr=True, highlight=False)

    def reply(self, pieces: Iterable[str], footer: Footer, doing: str) -> None:
        """Show a spinner, and then redraw the block that is being written, with the status line under it."""
        from rich.console import Group
        from rich.live import Live
        from rich.markdown import Markdown
        from rich.spinner import Spinner
        from rich.text import Text

        open_block = ""
        spinner = Spinner("dots", Text(f"{doing}…", style="dim"))
        with Live(spinner, console=self.console, transient=True, refresh_per_second=_REFRESHES) as live:
            try:
                for piece in pieces:
                    done, open_block = finished_blocks(open_block + piece)
                    if done:
                        live.console.print(Markdown(done))
                        live.console.print()
                    live.update(Group(Markdown(open_block), Text(footer(), style="dim")))
            finally:
                live.update(Text(""))
                if open_block.strip():
                    live.console.print(Markdown(open_block))

    def say(self, text: str) -> None:
        """Print as it is."""
        self.console.print(text, markup=False)

    def note(self, text: str) -> None:
        """Print dimly."""
        self.errors.print(text, style="dim", markup=False)

    def columns(self, texts: Mapping[str, str]) -> None:
        """Print a table, or one text after the other on a narrow screen."""
        from rich.markdown import Markdown
        from rich.table import Table

        if self.console.width < _NARROW:
            for heading, text in texts.items():
                self.console.rule(heading)
                self.console.print(Markdown(text))
            return
        table = Table(*texts, expand=True, show_lines=False)
        table.add_row(*(Markdown(text) for text in texts.values()))
        self.console.print(table)

    def waiting(self, doing: str) -> AbstractContextManager[object]:
        """Show a spinner."""
        return self.errors.status(f"{doing}…")


def finished_blocks(text: str) -> tuple[str, str]:
    """Return (finished blocks, the block being written); a blank line ends a block, except within a code fence."""
    cut, fenced, end = 0, False, 0
    for line in text.splitlines(keepends=True):
        end += len(line)
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if not fenced and not line.strip() and line.endswith("\n"):
            cut = end
    return text[:cut].strip("\n"), text[cut:]


def pick_screen() -> Screen:
    """Return the rich screen in a terminal that can draw, else the plain one; `NO_COLOR` asks for the plain one."""
    import os

    able = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb") and "NO_COLOR" not in os.environ
    return RichScreen() if able else PlainScreen()
