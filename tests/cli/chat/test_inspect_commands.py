"""Slash commands show what steering did, and compare it with what it did not do."""

import pytest
from chats import new_session, talk, type_line

from persona_core import SteeringEngine
from persona_core.chat.commands import SideBySide
from persona_core.errors import SteeringError


def test_a_comparison_without_a_question_is_of_the_last_one_with_its_seed(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    session.set_personas({"sage": 1.0})
    talk(session, "first")
    said = talk(session, "second")
    outcome = type_line(session, "/compare")
    assert isinstance(outcome, SideBySide)
    assert dict(outcome.columns())["sage"] == said.text.strip()
    assert session.conversation.turns[1:] == [said]


def test_why_and_drift_show_layers_and_both_axes(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    for line in ("/why", "/drift"):
        with pytest.raises(SteeringError, match="nothing has been said"):
            type_line(session, line)
    session.set_personas({"sage": 1.0})
    session.resampled(max_new_tokens=8)
    for _ in range(2):
        talk(session)
    why, drift = str(type_line(session, "/why")), str(type_line(session, "/drift"))
    assert "layer   2" in why
    assert "assistant axis, token by token" in why
    assert "safety axis, token by token" in why
    assert drift.count("●") == 4
    assert "┊ floor" in drift
