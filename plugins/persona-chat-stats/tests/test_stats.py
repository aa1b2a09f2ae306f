import pytest
from hypothesis import given
from hypothesis import strategies as st
from persona_chat_stats import distinct_pairs, register_chat_commands, stats

from persona_core import ChatSession, PluginManager, Turn
from persona_core.errors import SteeringError
from persona_core.testing import check_chat_command, example_turns


def turn(text: str, *personas: str, hits: int = 0) -> Turn:
    steered, plain = (turn for _, turn in example_turns())
    like = steered if personas else plain
    floor = like.receipt.floor and like.receipt.floor.model_copy(update={"hits": hits})
    changed = {"personas": dict.fromkeys(personas, 1.0), "floor": floor, "reply_tokens": 10}
    return like.model_copy(update={"text": text, "receipt": like.receipt.model_copy(update=changed)})


def test_every_speaker_has_one_line_with_sums_and_means(tiny_chat: ChatSession) -> None:
    tiny_chat.conversation.turns += [
        turn("one two three", "sage", hits=2),
        turn("x"),
        turn("one two", "sage", hits=3),
        turn("y z", "sage", "trickster"),
    ]
    head, sage, none, both = stats(tiny_chat, "").splitlines()
    assert sage.split() == ["sage", "2", "20", "2.5", "0.67", "5", "4.0%"]
    assert none.split() == ["none", "1", "10", "1.0", "1.00", "0", "0.0%"]
    assert both.split()[0] == "sage+trickster"
    assert stats(tiny_chat, "none").splitlines() == [head, none]


def test_a_speaker_who_has_not_spoken_is_an_error_that_names_those_who_have(tiny_chat: ChatSession) -> None:
    with pytest.raises(SteeringError, match="nothing has been said"):
        stats(tiny_chat, "")
    tiny_chat.conversation.turns.append(turn("x", "sage"))
    with pytest.raises(SteeringError, match="those who have: sage"):
        stats(tiny_chat, "creator")


@given(st.lists(st.text(max_size=30), max_size=4))
def test_the_share_of_new_pairs_is_a_share(texts: list[str]) -> None:
    assert 0 < distinct_pairs(texts) <= 1


def test_the_command_is_registered_and_keeps_the_contract(
    tiny_chat: ChatSession, persona_plugins: PluginManager
) -> None:
    (command,) = register_chat_commands()
    check_chat_command(command, tiny_chat)
    assert persona_plugins.registry("register_chat_commands")["stats"].distribution == "persona-chat-stats"
