"""Editors: what the chat reads lines with; in a terminal one with history and completion, else plain standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from persona_core.chat.session import ChatSession
from persona_core.cli.app import read_stdin
from persona_core.cli.chat.registry import Registry

if TYPE_CHECKING:
    from prompt_toolkit.document import Document

CONTINUED = "… "


class Editor(Protocol):
    """What the chat reads lines with."""

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to answer questions."""
        ...

    def read(self, default: str = "") -> str:
        """Return a message or a command; raise `EOFError` at the end of input and `KeyboardInterrupt` for Ctrl-C."""
        ...

    def confirm(self, question: str) -> str:
        """Return the answer to a question; the history does not keep it."""
        ...


class PipeEditor:
    """Reads standard input; each line is a message."""

    interactive = False

    def read(self, default: str = "") -> str:
        """Return the next line of standard input."""
        line = read_stdin(sys.stdin.readline)
        if not line:
            raise EOFError
        return line

    def confirm(self, question: str) -> str:
        """Raise `EOFError`: nobody is there to answer."""
        raise EOFError


class TerminalEditor:
    """Reads with prompt_toolkit: Enter sends, Alt-Enter begins a new line, and pasted text does not send itself."""

    interactive = True

    def __init__(self, session: ChatSession, registry: Registry, toolbar: Callable[[], str]) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory

        history = session.manager.workspace.chat_history
        history.parent.mkdir(parents=True, exist_ok=True)
        self._prompt: PromptSession[str] = PromptSession(
            history=FileHistory(str(history)),
            completer=_completer(session, registry),
            complete_while_typing=True,
            key_bindings=_keys(),
            multiline=True,
            prompt_continuation=CONTINUED,
            bottom_toolbar=toolbar,
            enable_open_in_editor=True,
        )
        self._plain: PromptSession[str] = PromptSession()

    def read(self, default: str = "") -> str:
        """Let the user type a message, or edit `default`."""
        return self._prompt.prompt("> ", default=default)

    def confirm(self, question: str) -> str:
        """Ask a question that takes one word."""
        return self._plain.prompt(question)


def pick_editor(session: ChatSession, registry: Registry, toolbar: Callable[[], str]) -> Editor:
    """Return an editor for the terminal, or plain reading where standard input is none."""
    return TerminalEditor(session, registry, toolbar) if sys.stdin.isatty() else PipeEditor()


def candidates(session: ChatSession, registry: Registry, text: str) -> Iterator[tuple[str, int, str]]:
    """Yield (completion, how many typed characters it replaces, description) for a line that begins with a slash."""
    name, space, value = text[1:].partition(" ")
    if not space:
        for command in registry.values():
            if command.name.startswith(name):
                yield f"/{command.name}", len(text), command.help
    elif name in registry:
        yield from _value_candidates(registry[name].values(session).items(), value.lstrip())


def _value_candidates(values: Iterable[tuple[str, str]], value: str) -> Iterator[tuple[str, int, str]]:
    for candidate, description in values:
        if candidate.startswith(value):
            yield candidate, len(value), description


def _completer(session: ChatSession, registry: Registry) -> Any:
    from prompt_toolkit.completion import Completer, Completion

    class SlashCompleter(Completer):
        def get_completions(self, document: Document, complete_event: object) -> Iterator[Completion]:
            text = document.text_before_cursor
            if not text.startswith("/"):
                return
            for candidate, replaced, description in candidates(session, registry, text):
                yield Completion(candidate, start_position=-replaced, display_meta=description)

    return SlashCompleter()


def _keys() -> Any:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
