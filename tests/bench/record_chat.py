"""Hold a chat in a real terminal of a fixed size, and keep what it shows: transcripts and screenshots for docs/chat.md.

    pip install -e ".[docs]"
    python tests/bench/record_chat.py --write

The terminal is a pseudo-terminal that pyte draws; rich writes the pictures. The model, its replies and its receipts are
real. Without --write everything goes to stdout.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pexpect
import pyte
from bench_tools import write_section
from rich.console import Console
from rich.style import Style
from rich.text import Text

PAGE = Path(__file__).parents[2] / "docs" / "chat.md"
PICTURES = PAGE.parent / "pictures"
COLUMNS, LINES = 100, 50
SECONDS = 300
STATUS = re.compile(r" · |^(assistant|safety) [●┊·]+$|^context \d+%")
"""What the status line's rows look like."""
NAMES = {"brown": "yellow", "default": "default"}
OPTIONS = ("--model", "smollm2", "--persona", "sage", "--max-new-tokens", "70", "--seed", "3")
TALK = (
    ("How can I stay calm before an exam?", r"\[sage at strength 1, guidance 2: .*\]"),
    ("/why", r"safety axis, token by token[^\n]*\n[^\n]*[▁▂▃▄▅▆▇█]"),
)
MORE = (
    ("/compare sage,trickster: What is the sea?", r"└[─┴]+┘"),
    ("/persona trickster", r"persona trickster; strength 1, guidance 2"),
    ("And if I fail?", r"\[trickster at strength 1, guidance 2: .*\]"),
    ("/drift", r"safety axis, turn by turn.*\n.*\n.*trickster"),
)


class RecordedScreen(pyte.HistoryScreen):
    """A terminal that answers what programs ask of it."""

    child: pexpect.spawn

    def write_process_input(self, data: str) -> None:
        """Answer, such as where the cursor is."""
        self.child.send(data)


class Recording:
    """One chat, from its start to Ctrl-D."""

    def __init__(self, words: Sequence[str], home: str) -> None:
        self.screen = RecordedScreen(COLUMNS, LINES, history=2000)
        self.stream = pyte.Stream(self.screen)
        environment = os.environ | {"PERSONA_STEER_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.child = pexpect.spawn(
            sys.executable, ["-m", "persona_core.cli", "chat", *words],
            dimensions=(LINES, COLUMNS), env=environment, encoding="utf-8", timeout=SECONDS,
        )  # fmt: skip
        self.screen.child = self.child
        self.shown_before = 0

    def say(self, line: str, answer: str) -> None:
        """Type a line as a user does, and wait for the prompt after what it brings."""
        before = len(self.text())
        self.child.send(line)
        self._read_for(0.5)
        self.child.send("\r")
        self.until(rf"(?s){answer}.*\n>(\n|$)", before)

    def until(self, pattern: str, start: int = 0) -> None:
        """Wait until the terminal shows a pattern after `start` characters of its text."""
        end = time.monotonic() + SECONDS
        while not re.search(pattern, self.text()[start:]):
            assert time.monotonic() < end, f"{pattern!r} never came:\n{self.text()}"
            self._read_for(0.3)
        self._read_for(0.5)

    def text(self) -> str:
        """Return everything that has been shown, without the status line."""
        rows = [*self.screen.history.top, *(self.screen.buffer[place] for place in range(LINES))]
        lines = ["".join(row[column].data for column in range(COLUMNS)).rstrip() for row in rows]
        return "\n".join(line for line in lines if not STATUS.search(line))

    def picture(self, path: Path) -> None:
        """Write what the terminal shows now as SVG."""
        with open(os.devnull, "w") as nowhere:
            console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
            for line in self._drawn():
                console.print(line, no_wrap=True, overflow="crop")
            path.write_text(_self_contained(console.export_svg(title="persona-steer chat")), encoding="utf-8")

    def leave(self) -> None:
        """Press Ctrl-D."""
        self.child.sendcontrol("d")
        self.child.expect(pexpect.EOF)

    def _read_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.stream.feed(self.child.read_nonblocking(65536, timeout=left))
            except pexpect.TIMEOUT:
                return

    def _drawn(self) -> Iterator[Text]:
        last = max(place for place in range(LINES) if self.screen.display[place].strip())
        for place in range(last + 1):
            row = self.screen.buffer[place]
            styled = groupby((row[column] for column in range(COLUMNS)), key=_style)
            yield Text.assemble(*(("".join(cell.data for cell in cells), style) for style, cells in styled))


def _self_contained(svg: str) -> str:
    """Leave out the fonts that rich would fetch from elsewhere; the viewer's own monospaced one serves."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def _style(cell: pyte.screens.Char) -> Style:
    colour, background = (_colour(name) for name in (cell.fg, cell.bg))
    return Style(color=colour, bgcolor=background, bold=cell.bold, italic=cell.italics, reverse=cell.reverse)


def _colour(name: str) -> str:
    """Return a colour of pyte's in rich's words."""
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    return NAMES.get(name, re.sub("^bright", "bright_", name))


def hold() -> str:
    """Hold the chat, write its two pictures, and return it as text."""
    with tempfile.TemporaryDirectory() as home:
        chat = Recording(OPTIONS, home)
        chat.until(r"\n>")
        for line, answer in TALK:
            chat.say(line, answer)
        chat.picture(PICTURES / "chat-why.svg")
        for line, answer in MORE:
            chat.say(line, answer)
        chat.picture(PICTURES / "chat-drift.svg")
        whole = chat.text()
        chat.leave()
    return whole.strip()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the transcript into docs/chat.md")
    written = parser.parse_args().write
    shown = f"```text\n$ persona-steer chat {' '.join(OPTIONS)}\n{hold()}\n```"
    print(shown)
    if written:
        write_section("transcript", shown, PAGE)


if __name__ == "__main__":
    main()
