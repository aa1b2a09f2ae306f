"""ChatCommand: a slash command of the chat, the same for the built-in ones and for those of packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_core.chat.ask import Ask

if TYPE_CHECKING:
    from persona_core.base.progress import Progress
    from persona_core.chat.session import ChatSession


class Leave(Exception):
    """The user has said goodbye."""


@dataclass(frozen=True)
class Edit:
    """Let the user change the last question, and ask what comes of it in its place."""

    text: str


@dataclass(frozen=True)
class Confirm:
    """Do something once the user has typed `word`; through a pipe it is refused, and `otherwise` says what to do."""

    question: str
    word: str
    then: Callable[[], str]
    otherwise: str


@dataclass(frozen=True)
class SideBySide:
    """Texts to be shown beside each other, once they are made: heading -> text. `doing` tells the user meanwhile."""

    make: Callable[[], Mapping[str, str]] | Mapping[str, str]
    doing: str = ""

    def columns(self) -> Mapping[str, str]:
        """Return heading -> text. Plugins of version 1 of the hooks give the mapping itself."""
        return self.make() if callable(self.make) else self.make


@dataclass(frozen=True)
class Work:
    """Long work that reports its progress and returns what to say."""

    run: Callable[[Progress], str]


Outcome = str | Ask | Edit | Confirm | SideBySide | Work
"""What a command comes to: words to show, or something that the chat does next."""


def no_values(session: ChatSession) -> Mapping[str, str]:
    """Complete nothing."""
    return {}


@dataclass(frozen=True)
class ChatCommand:
    """What `/name` does. `run` gets the session and the rest of the line, and raises a `PersonaError` for wrong input.

    `values` completes the rest of the line: value -> description.
    """

    name: str
    usage: str
    help: str
    run: Callable[[ChatSession, str], Outcome]
    values: Callable[[ChatSession], Mapping[str, str]] = no_values
    details: str = ""
