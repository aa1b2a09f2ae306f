"""ChatCommand: a slash command of the chat, built in or from a package, and what it can return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_core.chat.ask import Ask

if TYPE_CHECKING:
    from persona_core.base.progress import Progress
    from persona_core.chat.session import ChatSession


class Leave(Exception):
    """Raised by a command to leave the chat."""


@dataclass(frozen=True)
class Edit:
    """Let the user edit a text, the last question, and ask the edited one in its place."""

    text: str


@dataclass(frozen=True)
class Confirm:
    """Call `then` once the user has typed `word`. Where no terminal is there to ask in, `otherwise` is the error."""

    question: str
    word: str
    then: Callable[[], str]
    otherwise: str


@dataclass(frozen=True)
class SideBySide:
    """Texts to show side by side, heading -> text; the chat shows `doing` while `make` runs."""

    make: Callable[[], Mapping[str, str]] | Mapping[str, str]
    doing: str = ""

    def columns(self) -> Mapping[str, str]:
        """Return heading -> text; plugins written for version 1 of the hooks pass the mapping itself."""
        return self.make() if callable(self.make) else self.make


@dataclass(frozen=True)
class Work:
    """Long work that takes a progress function and returns the text to show."""

    run: Callable[[Progress], str]


Outcome = str | Ask | Edit | Confirm | SideBySide | Work
"""What a command returns: text to show, or something that the chat does next."""


def no_values(session: ChatSession) -> Mapping[str, str]:
    """Complete nothing."""
    return {}


@dataclass(frozen=True)
class ChatCommand:
    """A command `/name`. `run` takes the session and the rest of the line, and raises a `PersonaError` for wrong input.

    `values` returns what completes the rest of the line: value -> description. `/help NAME` adds `details` to `help`.
    """

    name: str
    usage: str
    help: str
    run: Callable[[ChatSession, str], Outcome]
    values: Callable[[ChatSession], Mapping[str, str]] = no_values
    details: str = ""
