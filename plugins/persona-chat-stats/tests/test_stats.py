from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persona_chat_stats import distinct_pairs, register_chat_commands, stats

from persona_core import PersonaManager, get_config
from persona_core.chat_session import ChatSession, Settings
from persona_core.conversation import Turn
from persona_core.decoding import Sampling
from persona_core.errors import SteeringError
from persona_core.plugins import PluginManager
from persona_core.receipt import FloorReceipt, Receipt
from persona_core.testing import check_chat_command


def turn(text: str, *personas: str, hits: int = 0) -> Turn:
    floor = FloorReceipt(layers=[3], hits=hits, lowest_before=-1.0, lowest_after=0.0) if personas else None
    receipt = Receipt(
        model="tiny", personas=dict.fromkeys(personas, 1.0), strength=1.0, safety="on", plan="p", prompt_tokens=3,
        reused_tokens=0, reply_tokens=10, steered_tokens=4, relative_change={1: 0.02, 2: 0.04} if personas else {},
        floor=floor, assistant_projection=None, seed=0, finish="end",
    )  # fmt: skip
    return Turn(user="hi", text=text, receipt=receipt)


@pytest.fixture
def session(tmp_path: Path) -> ChatSession:
    manager = PersonaManager(get_config(tmp_path, model="smollm2"))
    return ChatSession(manager, Future(), Settings({}, 1.0, True, Sampling()))


def test_every_speaker_has_one_line_with_sums_and_means(session: ChatSession) -> None:
    session.conversation.turns += [
        turn("one two three", "sage", hits=2),
        turn("x"),
        turn("one two", "sage", hits=3),
        turn("y z", "sage", "trickster"),
    ]
    head, sage, none, both = stats(session, "").splitlines()
    assert sage.split() == ["sage", "2", "20", "2.5", "0.67", "5", "3.0%"]
    assert none.split() == ["none", "1", "10", "1.0", "1.00", "0", "0.0%"]
    assert both.split()[0] == "sage+trickster"
    assert stats(session, "none").splitlines() == [head, none]


def test_a_speaker_who_has_not_spoken_is_an_error_that_names_those_who_have(session: ChatSession) -> None:
    with pytest.raises(SteeringError, match="nothing has been said"):
        stats(session, "")
    session.conversation.turns.append(turn("x", "sage"))
    with pytest.raises(SteeringError, match="those who have: sage"):
        stats(session, "creator")


@given(st.lists(st.text(max_size=30), max_size=4))
def test_the_share_of_new_pairs_is_a_share(texts: list[str]) -> None:
    assert 0 < distinct_pairs(texts) <= 1


def test_the_command_is_registered_and_keeps_the_contract(session: ChatSession, persona_plugins: PluginManager) -> None:
    (command,) = register_chat_commands()
    check_chat_command(command, session)
    assert persona_plugins.registry("register_chat_commands")["stats"].distribution == "persona-chat-stats"
