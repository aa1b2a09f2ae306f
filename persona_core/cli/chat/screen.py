"""Where a chat is shown: a rich terminal, or plain lines for a dumb one, a pipe, or a file.

Replies and what commands say go to stdout; receipts, notes and errors to stderr.
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
    """What the chat shows things with."""

    def reply(self, pieces: Iterable[str], footer: Footer) -> None:
        """Show a reply as it comes; raises what the pieces raise, with what came before on the screen."""
        ...

    def say(self, text: str) -> None:
        """Show what a command says."""
        ...

    def note(self, text: str) -> None:
        """Show a line besides: a receipt, a warning."""
        ...

    def columns(self, texts: Mapping[str, str]) -> None:
        """Show texts side by side where there is room."""
        ...

    def waiting(self, doing: str) -> AbstractContextManager[object]:
        """Show that something is being done, for as long as the context lasts."""
        ...


class PlainScreen:
    """Text as it is."""

    def reply(self, pieces: Iterable[str], footer: Footer) -> None:
        """Write every piece at once."""
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
        """Write one text after the other under its heading."""
        click.echo("\n\n".join(f"[{heading}]\n{text}" for heading, text in texts.items()))

    def waiting(self, doing: str) -> AbstractContextManager[object]:
        """Write a line."""
        self.note(f"({doing}…)")
        return nullcontext()


class RichScreen:
    """Markdown that is rendered block by block: a finished block is printed for good, only the last one is redrawn."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False)
        self.errors = Console(stderr=True, highlight=False)

    def reply(self, pieces: Iterable[str], footer: Footer) -> None:
        """Redraw the block that is being written, with the footer under it."""
        from rich.console import Group
        from rich.live import Live
        from rich.markdown import Markdown
        from rich.text import Text

        open_block = ""
        with Live(console=self.console, transient=True, refresh_per_second=_REFRESHES) as live:
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
        """Turn a wheel."""
        return self.errors.status(f"{doing}…")


def finished_blocks(text: str) -> tuple[str, str]:
    """Return (blocks that are finished, the block that is being written): a blank line ends one, but not in a fence."""
    cut, fenced, place = 0, False, 0
    for line in text.splitlines(keepends=True):
        place += len(line)
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if not fenced and not line.strip() and line.endswith("\n"):
            cut = place
    return text[:cut].strip("\n"), text[cut:]


def pick_screen() -> Screen:
    """Return the rich screen in a terminal that can draw, else the plain one."""
    import os

    able = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb") and "NO_COLOR" not in os.environ
    return RichScreen() if able else PlainScreen()
