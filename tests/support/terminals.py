"""Terminals: a command in a real pseudo-terminal, to type into and to read from."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|\x1b[=>()][A-Z0-9]?|\r")
CTRL_C, CTRL_D = "\x03", "\x04"
ANOTHER_TERMINAL = ("COLUMNS", "LINES")
"""Variables that say how large the terminal of the test run is; a worker of a spread run has them at 80 by 24."""


class Terminal:
    """A command of persona-steer behind a pseudo-terminal, `chat` unless another is named."""

    def __init__(self, *words: str, command: str = "chat", columns: int = 100, **environment: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(columns)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "persona_core.cli", command, *words],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, close_fds=True,
            env=_environment() | {"TERM": "xterm-256color"} | environment, cwd=os.environ["PERSONA_STEER_HOME"],
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def send(self, line: str) -> None:
        """Type a line, wait until it has been drawn, and press Enter."""
        self.type(line)
        time.sleep(0.3)
        self.type("\r")

    def expect(self, pattern: str, seconds: float = 90) -> str:
        """Wait for words on the screen, and return everything up to them."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown)):
            left = end - time.monotonic()
            assert left > 0, f"{pattern!r} never came; the screen says: {self.shown[-1500:]}"
            self._read(left)
        before, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return before

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self.master], [], [], min(seconds, 1))
        if ready:
            try:
                raw = os.read(self.master, 65536).decode(errors="replace")
                self.type("\x1b[1;1R" * raw.count("\x1b[6n"))  # where the cursor is, as terminals answer
                self.shown = re.sub(r"\s+", " ", self.shown + ESCAPES.sub("", raw))  # lines are wrapped anywhere
            except OSError:
                assert self.process.poll() is None, f"the command has ended: {self.shown[-1500:]}"

    def leave(self) -> int:
        """Press Ctrl-D once the prompt is back."""
        time.sleep(1)
        self.type(CTRL_D)
        return self.ended()

    def ended(self, seconds: float = 60) -> int:
        """Wait for the end; a pseudo-terminal that nobody reads would block it."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            try:
                self._read(0.2)
            except AssertionError:
                break
        return self.process.wait(20)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def _environment() -> dict[str, str]:
    """Return this process's environment without the size of another terminal, which would outweigh the real one."""
    return {name: value for name, value in os.environ.items() if name not in ANOTHER_TERMINAL}
