"""Slash commands change how the next reply is steered; the floor is not turned off by a slip."""

import pytest
from chats import new_session, type_line

from persona_core import PersonaManager, SteeringEngine
from persona_core.chat.commands import Confirm
from persona_core.cli.chat.steering_commands import guidance_values
from persona_core.errors import SafetyUnavailable


def test_turning_safety_off_wants_a_word_where_it_was_not_allowed(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    with pytest.raises(SafetyUnavailable, match="--allow-unsafe"):
        session.set_safety(False)
    outcome = type_line(session, "/safety off")
    assert isinstance(outcome, Confirm)
    assert session.settings.safety
    assert "safety OFF" in outcome.then()
    assert not session.settings.safety


def test_guidance_offers_the_one_that_is_configured(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    session.manager = PersonaManager(session.manager.config.replace({"steering.guidance": 3.0}))
    assert list(guidance_values(session)) == ["0", "3", "6"]
