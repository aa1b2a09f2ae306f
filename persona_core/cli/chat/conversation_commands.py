"""Slash commands about the conversation: `/retry`, `/undo`, `/edit`, `/clear`, `/save`, `/load`, `/export`, `/quit`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from persona_core.base.files import write_atomically
from persona_core.chat.ask import Ask
from persona_core.chat.commands import ChatCommand, Edit, Leave, Outcome
from persona_core.chat.log import session_names
from persona_core.chat.session import ChatSession, checked_strength
from persona_core.cli.chat.export import as_json, as_markdown
from persona_core.cli.chat.steering_commands import number
from persona_core.errors import SteeringError


def retry(session: ChatSession, value: str) -> Outcome:
    """Ask the last question again: with the next seed, or with its seed at another strength."""
    strength = checked_strength(number(value, "/retry takes nothing or a strength")) if value else None
    turn = session.last_turn()
    seed = turn.receipt.seed if value else turn.receipt.seed + 1
    return Ask(turn.user, strength, seed, replacing=True)


def undo(session: ChatSession, value: str) -> Outcome:
    """Take back the last turn."""
    turn = session.undo()
    return f"taken back: {turn.user}"


def edit(session: ChatSession, value: str) -> Outcome:
    """Ask the last question in other words, given here or edited by the user."""
    turn = session.last_turn()
    return Ask(value, replacing=True) if value else Edit(turn.user)


def clear(session: ChatSession, value: str) -> Outcome:
    """Begin a new conversation."""
    session.clear()
    return "the conversation begins anew; what was said stays in its file"


def save(session: ChatSession, value: str) -> Outcome:
    """Tell where the conversation is saved, or save it under a name."""
    session.last_turn()
    if value:
        session.save_as(value)
    assert session.log is not None
    return (
        f"saved as {session.log.path}; `/load {session.log.name}` or `chat --resume {session.log.name}` goes on with it"
    )


def load(session: ChatSession, value: str) -> Outcome:
    """Go on with a saved conversation."""
    if not value:
        names = session_names(session.folder)
        raise SteeringError(f"/load takes a name: {', '.join(names[:8])}" if names else "no conversation is saved yet")
    session.resume(value)
    return f"{value}: {session.status()}"


def export(session: ChatSession, value: str) -> Outcome:
    """Write the conversation as Markdown or JSON."""
    if not value:
        raise SteeringError("/export takes a file: talk.md or talk.json")
    path = Path(value).expanduser()
    if path.suffix not in (".md", ".json"):
        raise SteeringError(f"/export writes .md or .json, not {path.suffix or value!r}")
    session.last_turn()
    write_atomically(path, (as_json if path.suffix == ".json" else as_markdown)(session.conversation))
    return f"wrote {path}"


def leave(session: ChatSession, value: str) -> Outcome:
    """Leave the chat."""
    raise Leave


def session_values(session: ChatSession) -> Mapping[str, str]:
    """Complete the names of saved sessions."""
    return dict.fromkeys(session_names(session.folder), "a saved conversation")


COMMANDS = (
    ChatCommand(
        "retry", "/retry [STRENGTH]", "another reply to the last question", retry,
        details="With a strength the seed stays, so that only the strength differs.",
    ),
    ChatCommand("undo", "/undo", "take back the last turn", undo),
    ChatCommand("edit", "/edit [TEXT]", "change the last question, and ask it anew", edit),
    ChatCommand("clear", "/clear", "begin anew", clear),
    ChatCommand("save", "/save [NAME]", "keep the conversation under a name", save),
    ChatCommand("load", "/load NAME", "go on with another conversation", load, session_values),
    ChatCommand("export", "/export FILE", "write the conversation: .md or .json, with receipts", export),
    ChatCommand("quit", "/quit", "leave (Ctrl-D does too)", leave),
)  # fmt: skip
