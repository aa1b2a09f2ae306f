"""How lines are read: an editor with history, completion and a status line, or plain reading through a pipe."""

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
    """What the chat reads with."""

    @property
    def interactive(self) -> bool:
        """Tell whether a user can answer."""
        ...

    def read(self, default: str = "") -> str:
        """Return a message or a command; raises `EOFError` at the end and `KeyboardInterrupt` for Ctrl-C."""
        ...

    def confirm(self, question: str) -> str:
        """Return a line that is not kept in the history."""
        ...


class PipeEditor:
    """One line, one message."""

    interactive = False

    def read(self, default: str = "") -> str:
        """Return the next line of standard input."""
        line = read_stdin(sys.stdin.readline)
        if not line:
            raise EOFError
        return line

    def confirm(self, question: str) -> str:
        """Nobody is there to answer."""
        raise EOFError


class TerminalEditor:
    """prompt_toolkit: Enter sends, Alt-Enter begins a new line, and pasted text never sends itself."""

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
        """Edit a message."""
        return self._prompt.prompt("> ", default=default)

    def confirm(self, question: str) -> str:
        """Ask for a word."""
        return self._plain.prompt(question)


def pick_editor(session: ChatSession, registry: Registry, toolbar: Callable[[], str]) -> Editor:
    """Return the terminal's editor, or plain reading."""
    return TerminalEditor(session, registry, toolbar) if sys.stdin.isatty() else PipeEditor()


def candidates(session: ChatSession, registry: Registry, text: str) -> Iterator[tuple[str, int, str]]:
    """Yield (text, how much of what is typed it replaces, description) for a line that begins with a slash."""
    name, space, value = text[1:].partition(" ")
    if not space:
        for command in registry.values():
            if command.name.startswith(name):
                yield f"/{command.name}", len(text), command.help
    elif name in registry:
        yield from _value_candidates(registry[name].values(session).items(), value.lstrip())


def _value_candidates(values: Iterable[tuple[str, str]], value: str) -> Iterator[tuple[str, int, str]]:
    for found, description in values:
        if found.startswith(value):
            yield found, len(value), description


def _completer(session: ChatSession, registry: Registry) -> Any:
    from prompt_toolkit.completion import Completer, Completion

    class SlashCompleter(Completer):
        def get_completions(self, document: Document, complete_event: object) -> Iterator[Completion]:
            text = document.text_before_cursor
            if not text.startswith("/"):
                return
            for found, replaced, description in candidates(session, registry, text):
                yield Completion(found, start_position=-replaced, display_meta=description)

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
