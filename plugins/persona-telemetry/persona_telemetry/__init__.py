"""Telemetry that stays on the machine: appends one JSON line a chat turn to a file that the user names.

The settings are read from the environment at every turn; nothing is imported that could open a connection.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from persona_core import hookimpl

if TYPE_CHECKING:
    from persona_core import ChatCommand, ChatSession, Turn, TurnRequest

FILE, TEXT = "PERSONA_TELEMETRY_FILE", "PERSONA_TELEMETRY_TEXT"


@hookimpl
def after_turn(request: TurnRequest, turn: Turn, seconds: float) -> None:
    """Append the turn's line where a file is named; raise `WorkspaceError` where it cannot be written."""
    path = telemetry_file()
    if path is None:
        return
    from persona_core import append_lines

    told = record(request, turn, seconds) | (texts(turn) if keeps_text() else {})
    append_lines(path, [json.dumps(told, ensure_ascii=False)])


def telemetry_file() -> Path | None:
    """Return the file that the environment names, whole; None where it names none."""
    named = os.environ.get(FILE, "").strip()
    return Path(named).expanduser().absolute() if named else None


def keeps_text() -> bool:
    """Tell whether the user lets question and reply be written too."""
    return os.environ.get(TEXT, "") == "1"


def record(request: TurnRequest, turn: Turn, seconds: float) -> dict[str, object]:
    """Return what is written about a turn: the request and the receipt's measurements, without the text."""
    receipt = turn.receipt
    return {
        "version": 1,
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "session": request.session,
        "model": receipt.model,
        "personas": receipt.personas,
        "strength": receipt.strength,
        "safety": receipt.safety,
        "floor_hits": receipt.floor.hits if receipt.floor is not None else None,
        "projections": {axis: round(fmean(read), 4) for axis, read in turn.projections.items() if read},
        "prompt_tokens": receipt.prompt_tokens,
        "reply_tokens": receipt.reply_tokens,
        "seconds": round(seconds, 3),
        "seed": receipt.seed,
        "replaced": request.replacing,
    }


def texts(turn: Turn) -> dict[str, object]:
    """Return question and reply."""
    return {"question": turn.user, "reply": turn.text}


def telemetry(session: ChatSession, value: str) -> str:
    """Return where the lines go, or that there are none; raise `SteeringError` for words behind the command."""
    from persona_core.errors import SteeringError

    if value:
        raise SteeringError("/telemetry takes nothing: it says where telemetry goes")
    path = telemetry_file()
    if path is None:
        return f"telemetry is off: set {FILE} to the name of a file before the chat starts"
    told = "with question and reply" if keeps_text() else f"without question and reply ({TEXT}=1 adds them)"
    return f"telemetry: one line a turn in {path}, {told}; nothing leaves this machine"


@hookimpl
def register_chat_commands() -> list[ChatCommand]:
    """Return the one command."""
    from persona_core import ChatCommand

    return [ChatCommand("telemetry", "/telemetry", "where telemetry is written, or that it is off", telemetry)]
