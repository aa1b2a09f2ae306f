"""A question becomes a conversation, with its system prompt before it and none made up."""

from persona_core.base.messages import question_messages


def test_a_question_alone_is_one_message() -> None:
    assert question_messages("What is fire?") == ({"role": "user", "content": "What is fire?"},)


def test_a_system_prompt_comes_before_the_question() -> None:
    assert question_messages("What is fire?", "You are a sage.") == (
        {"role": "system", "content": "You are a sage."},
        {"role": "user", "content": "What is fire?"},
    )
