"""Messages of a conversation, as chat templates take them."""

Message = dict[str, str]
"""`role` and `content`."""


def question_messages(user: str, system: str = "") -> tuple[Message, ...]:
    """Return a conversation of one question, with a system prompt where there is one."""
    system_part = ({"role": "system", "content": system},) if system else ()
    return (*system_part, {"role": "user", "content": user})
