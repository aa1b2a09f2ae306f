"""SessionLog: the file of a chat. Every turn is appended and fsynced at once, so that a kill loses nothing.

The file is JSON lines: a header, then turns and events. No line is rewritten: taking back a turn adds an event.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from persona_core.base.files import append_lines, read_text, write_atomically
from persona_core.base.names import check_name, suggestion
from persona_core.base.records import Record, first_problem
from persona_core.chat.conversation import Conversation, Turn
from persona_core.errors import WorkspaceError
from persona_core.vectors.file import ModelIdentity

R = TypeVar("R", bound=Record)
EventKind = Literal["undo", "clear", "system", "end"]


class SessionHeader(Record):
    """The first line of a file: the session's name, when it began, and the model."""

    kind: Literal["session"] = "session"
    version: Literal[1] = 1
    name: str
    created: str
    model: ModelIdentity


class Event(Record):
    """A line that is not a turn. `text` is the new system prompt of a `system` event."""

    kind: EventKind
    text: str = ""


@dataclass
class SessionLog:
    """One session's file. The first line creates it, so that a chat in which nothing is said leaves none."""

    path: Path
    header: SessionHeader
    written: bool = False

    @classmethod
    def new(cls, folder: Path, model: ModelIdentity, name: str = "") -> SessionLog:
        """Return a log under a new name, by default the date and the time; raise `WorkspaceError` for a taken one."""
        name = check_name(name or _free_name(folder), WorkspaceError, "session")
        path = folder / f"{name}.jsonl"
        if path.exists():
            raise WorkspaceError(f"session {name!r} is there already; choose another name, or `/load {name}`")
        created = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        return cls(path, SessionHeader(name=name, created=created, model=model))

    @property
    def name(self) -> str:
        """The session's name."""
        return self.header.name

    def add(self, entry: Turn | Event) -> None:
        """Append a turn or an event; the first is preceded by the header."""
        lines = [] if self.written else [self.header.model_dump_json()]
        append_lines(self.path, [*lines, entry.model_dump_json()])
        self.written = True

    def end(self) -> None:
        """Append the event that says that the user left the chat; a killed chat has none."""
        if self.written:
            self.add(Event(kind="end"))


def load_session(folder: Path, name: str) -> tuple[SessionLog, Conversation]:
    """Return a session's log and conversation; raise `WorkspaceError` with the nearest name or the wrong line."""
    check_name(name, WorkspaceError, "session")
    path = folder / f"{name}.jsonl"
    if not path.is_file():
        raise WorkspaceError(f"no session named {name!r}{suggestion(name, session_names(folder))}")
    _cut_unfinished_line(path)
    header, conversation = read_session(path)
    return SessionLog(path, header, written=True), conversation


def read_session(path: Path) -> tuple[SessionHeader, Conversation]:
    """Return a file's header and conversation without changing it; a last line that a kill cut short is left out."""
    lines = list(_lines(path))
    if not lines:
        raise WorkspaceError(f"{path} holds no session")
    header = _read(SessionHeader, path, *lines[0])
    conversation = Conversation()
    for number, data in lines[1:]:
        _apply(conversation, path, number, data)
    return header, conversation


def session_names(folder: Path) -> list[str]:
    """Return the names of all sessions, the one written to most recently first."""
    paths = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.stem for path in paths]


def interrupted_session(folder: Path) -> str:
    """Return the name of the newest session if it was cut short, else an empty text."""
    for name in session_names(folder)[:1]:
        last = [data for _, data in _lines(folder / f"{name}.jsonl")][-1:]
        return name if last and last[0].get("kind") != "end" else ""
    return ""


def what_has_changed(
    header: SessionHeader, conversation: Conversation, model: ModelIdentity, vectors: Mapping[str, str]
) -> list[str]:
    """Return a line for each way in which the model and the vectors differ from those of a saved session."""
    changes = []
    if header.model != model:
        changes.append(
            f"it was held with {header.model.name} ({header.model.fingerprint[:8]}), and this is {model.name}"
        )
    used = {name: digest for turn in conversation.turns for name, digest in turn.vectors.items()}
    for name, digest in used.items():
        if name not in vectors:
            changes.append(f"the persona {name} is not there any more")
        elif vectors[name] != digest:
            changes.append(f"the vector of {name} has changed since")
    return changes


def _free_name(folder: Path) -> str:
    name = time.strftime("chat-%Y-%m-%d-%H%M%S")
    taken = sum(path.stem.startswith(name) for path in folder.glob(f"{name}*.jsonl"))
    return f"{name}-{taken + 1}" if taken else name


def _cut_unfinished_line(path: Path) -> None:
    """Remove a last line that a kill cut short, so that the next line does not run into it."""
    text = path.read_bytes()
    if text and not text.endswith(b"\n"):
        write_atomically(path, text[: text.rfind(b"\n") + 1])


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, data) for each line that is complete."""
    whole, _, _ = read_text(path).rpartition("\n")
    for number, line in enumerate(whole.split("\n") if whole else (), start=1):
        try:
            data = json.loads(line)
        except ValueError as error:
            raise WorkspaceError(f"{path}, line {number}: not JSON ({error})") from error
        yield number, data if isinstance(data, dict) else {}


def _apply(conversation: Conversation, path: Path, number: int, data: dict[str, Any]) -> None:
    if data.get("kind") == "turn":
        conversation.turns.append(_read(Turn, path, number, data))
        return
    event = _read(Event, path, number, data)
    if event.kind == "undo":
        conversation.undo()
    elif event.kind == "clear":
        conversation.clear()
    elif event.kind == "system":
        conversation.system = event.text


def _read(kind: type[R], path: Path, number: int, data: dict[str, Any]) -> R:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise WorkspaceError(f"{path}, line {number}: {first_problem(error)}") from error
