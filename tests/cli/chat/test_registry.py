"""The registry knows every slash command, and the nearest one to a misspelt name."""

import pytest
from chats import COMMANDS, new_session, type_line

from persona_core import SteeringEngine
from persona_core.chat.commands import Leave
from persona_core.cli.chat.registry import all_commands, with_slashes
from persona_core.errors import SteeringError


def test_help_knows_every_command_and_the_nearest(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    text = str(type_line(session, "/help"))
    assert all(f"/{name}" in text for name in COMMANDS)
    assert "seed stays" in str(type_line(session, "/help retry"))
    with pytest.raises(SteeringError, match="did you mean /persona"):
        type_line(session, "/help persno")
    for leaving in ("/quit", "/exit", "/q"):
        with pytest.raises(Leave):
            type_line(session, leaving)


def test_an_error_in_a_chat_advises_slash_commands(tiny_engine: SteeringEngine) -> None:
    registry = all_commands(tiny_engine.manager.plugins)
    said = with_slashes(
        "decode directly with `--guidance 0`, or `--safety off`, or start it with `--resume x`", registry
    )
    assert said == "decode directly with `/guidance 0`, or `/safety off`, or start it with `--resume x`"
    assert (
        with_slashes("start it with `--allow-unsafe`; --seed 1", registry) == "start it with `--allow-unsafe`; --seed 1"
    )
