"""A conversation is trimmed by whole turns, the oldest first, and none is lost."""

from collections.abc import Sequence

from chats import turn

from persona_core.base.messages import Message
from persona_core.chat.conversation import Conversation


def words(messages: Sequence[Message]) -> int:
    return sum(len(message["content"].split()) for message in messages)


def conversation(n: int) -> Conversation:
    return Conversation(system="Be kind.", turns=[turn(f"question {number}", "one two three") for number in range(n)])


def test_whole_turns_are_skipped_from_the_oldest_and_none_is_lost() -> None:
    trimmed = conversation(10)
    assert trimmed.fit("and now?", "", words, 1000) == 0
    skipped = trimmed.fit("and now?", "", words, 40)
    assert skipped > 0
    said = trimmed.messages("and now?")
    assert words(said) <= 30
    assert said[0] == {"role": "system", "content": "Be kind."}
    assert said[1]["content"] == f"question {skipped}"
    assert len(trimmed.turns) == 10


def test_the_beginning_stays_for_some_turns() -> None:
    trimmed = conversation(10)
    trimmed.fit("and now?", "", words, 40)
    trimmed.turns.append(turn("more", "one"))
    assert trimmed.fit("and now?", "", words, 40) == 0


def test_a_question_too_long_on_its_own_is_left_to_the_model() -> None:
    trimmed = conversation(2)
    assert trimmed.fit("word " * 100, "", words, 40) == 2
    assert len(trimmed.messages("word " * 100)) == 2


def test_undo_after_a_trim_keeps_to_the_turns_there_are() -> None:
    trimmed = conversation(3)
    trimmed.fit("word " * 100, "", words, 10)
    assert trimmed.undo() is not None
    assert trimmed.skipped == 2
    trimmed.clear()
    assert trimmed.undo() is None


def test_a_personas_prompt_comes_before_the_users() -> None:
    assert Conversation(system="B").messages("q", "A")[0]["content"] == "A\n\nB"
