"""Editors: what the chat reads lines with; in a terminal one with history and completion, else plain standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from persona_core.chat.session import ChatSession
from persona_core.cli.app import read_stdin
from persona_core.cli.chat.registry import Registry

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completion
    from prompt_toolkit.document import Document

CONTINUED = "… "
_REFRESH = 0.5
"""Seconds after which the status line is drawn again, so that it tells when the model is loaded."""


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
            key_bindings=_keys(session, registry),
            multiline=True,
            prompt_continuation=CONTINUED,
            bottom_toolbar=toolbar,
            refresh_interval=_REFRESH,
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
    """Yield (completion, how many typed characters it replaces, description); nothing for a line without a slash."""
    if not text.startswith("/"):
        return
    name, space, value = text[1:].partition(" ")
    if not space:
        for command in registry.values():
            if command.name.startswith(name):
                yield f"/{command.name}", len(text), command.help
    elif name in registry:
        yield from _value_candidates(registry[name].values(session).items(), value.lstrip())


def ending(session: ChatSession, registry: Registry, text: str) -> str:
    """Return what Tab adds to a line: the rest of its only completion, or of what all its completions begin with.

    A space follows a command that takes a value, so that the list of its values opens.
    """
    from prompt_toolkit.completion import get_common_complete_suffix
    from prompt_toolkit.document import Document

    matches = list(_completions(session, registry, text))
    rest = get_common_complete_suffix(Document(text), matches)
    takes_value = len(matches) == 1 and " " not in text and " " in registry[matches[0].text[1:]].usage
    return f"{rest} " if takes_value else rest


def _value_candidates(values: Iterable[tuple[str, str]], value: str) -> Iterator[tuple[str, int, str]]:
    for candidate, description in values:
        if candidate.startswith(value):
            yield candidate, len(value), description


def _completer(session: ChatSession, registry: Registry) -> Any:
    from prompt_toolkit.completion import Completer

    class SlashCompleter(Completer):
        def get_completions(self, document: Document, complete_event: object) -> Iterator[Completion]:
            return _completions(session, registry, document.text_before_cursor)

    return SlashCompleter()


def _completions(session: ChatSession, registry: Registry, text: str) -> Iterator[Completion]:
    from prompt_toolkit.completion import Completion

    for candidate, replaced, description in candidates(session, registry, text):
        yield Completion(candidate, start_position=-replaced, display_meta=description)


def _keys(session: ChatSession, registry: Registry) -> Any:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("tab")
    def complete(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        chosen = buffer.complete_state is not None and buffer.complete_state.complete_index is not None
        rest = "" if chosen else ending(session, registry, buffer.document.text_before_cursor)
        if rest:
            buffer.insert_text(rest)
        elif buffer.complete_state is not None:
            buffer.complete_next()
        else:
            buffer.start_completion()

    return keys
