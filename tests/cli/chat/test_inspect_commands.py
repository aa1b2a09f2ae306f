"""Slash commands show what steering did, and compare it with what it did not do."""

import pytest
from chats import new_session, talk, type_line

from persona_core import SteeringEngine
from persona_core.base.numbers import above
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
    assert drift.count("●") == 4


def test_safety_has_one_scale_the_distance_above_the_floor(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    session.set_personas({"sage": 1.0})
    session.resampled(max_new_tokens=8)
    turn, floor = talk(session), session.floor_value()
    assert turn.receipt.floor is not None
    assert floor is not None
    assert turn.receipt.safety_projection is not None
    distances = [value - floor for value in turn.projections["safety"]]
    why, drift = str(type_line(session, "/why")), str(type_line(session, "/drift"))
    assert f"lowest {above(turn.receipt.floor.lowest_before)} it before" in why
    assert f"safety axis, token by token: from {min(distances):.2f} to {above(max(distances))} the floor\n" in why
    assert f"{turn.receipt.safety_projection - floor:+.2f}  sage" in drift.partition("above the floor (┊)")[2]


def test_a_floor_that_was_not_held_is_still_what_the_axis_is_measured_from(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine, allow_unsafe=True)
    session.set_personas({"sage": 1.0})
    session.resampled(max_new_tokens=8)
    session.set_safety(False)
    talk(session)
    session.set_safety(True)
    assert "the floor, which was not held" in str(type_line(session, "/why"))
