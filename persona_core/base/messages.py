"""Messages: a conversation in the form that chat templates take."""

Message = dict[str, str]
"""A message of a conversation, with the keys `role` and `content`."""


def question_messages(user: str, system: str = "") -> tuple[Message, ...]:
    """Return a conversation of one question, after a system prompt if `system` is not empty."""
    system_messages = ({"role": "system", "content": system},) if system else ()
    return (*system_messages, {"role": "user", "content": user})
