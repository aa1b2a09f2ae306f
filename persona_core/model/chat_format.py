"""ChatFormat: makes tokens of a conversation by the tokenizer's chat template.

What people write is text: where it holds a control token such as `<|im_start|>`, it does not become one, so nobody can
forge a turn. A system text that a template cannot take goes in front of the first turn of the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

from persona_core.base.messages import Message
from persona_core.errors import PromptError

_PROBE = "persona-steer-probe"
_MARK = "\ue000{}\ue001"
_MARKS = re.compile("\ue000(\\d+)\ue001")


class ChatFormat:
    """The chat template of a tokenizer. Models that think before they answer are told not to, where they can be."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @cached_property
    def takes_system(self) -> bool:
        """Whether the template shows the model a system text: some refuse the role, and some drop it."""
        try:
            rendered = self._render([_message("system", _PROBE), _message("user", "Hi")])
        except PromptError:
            return False
        return _PROBE in rendered

    @property
    def system_role(self) -> Literal["system", "user"]:
        """The role whose turn the model reads a system text in: `system` or `user`."""
        return "system" if self.takes_system else "user"

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a conversation up to where the reply starts.

        Raises `PromptError` where the template refuses the conversation.
        """
        messages = list(messages) if self.takes_system else with_system_in_user(messages)
        if self._control.search("\n".join(message["content"] for message in messages)):
            return self._literal_tokens(messages)
        return self._encode(self._render(messages))

    @cached_property
    def _control(self) -> re.Pattern[str]:
        """What finds control tokens in a text: special tokens, and added ones that look like markup."""
        added = self.tokenizer.added_tokens_decoder.values()
        control = [token.content for token in added if token.special or token.content[:1] in ("<", "[")]
        longest_first = sorted(filter(str.strip, control), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def _render(self, messages: Sequence[Message]) -> str:
        from jinja2 import TemplateError

        options = {"add_generation_prompt": True, "tokenize": False, "enable_thinking": False}
        try:
            return str(self.tokenizer.apply_chat_template(list(messages), **options))
        except (TemplateError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise PromptError(f"the model's chat template refuses this conversation: {reason}") from error

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _literal_tokens(self, messages: Sequence[Message]) -> list[int]:
        """Encode the template around marks in place of what the messages say, and their texts apart from it."""
        texts = [message["content"] for message in messages]
        marked = [message | {"content": _marked(index, message["content"])} for index, message in enumerate(messages)]
        parts, tokens = _MARKS.split(self._render(marked)), list[int]()
        for place, part in enumerate(parts):
            pieces = self._harmless(texts[int(part)].strip()) if place % 2 else [part]
            tokens += [token for piece in pieces for token in self._encode(piece)]
        return tokens

    def _harmless(self, text: str) -> Iterator[str]:
        """Cut a text behind the first character of every control token, so that no piece holds a whole one."""
        start = 0
        for found in self._control.finditer(text):
            yield text[start : found.start() + 1]
            start = found.start() + 1
        rest = text[start:]
        if start and self._control.search(rest):
            yield from self._harmless(rest)
        else:
            yield rest


def with_system_in_user(messages: Sequence[Message]) -> list[Message]:
    """Return the conversation with its system text in front of the first turn of the user."""
    if not messages or messages[0]["role"] != "system":
        return list(messages)
    system, *turns = messages
    first = next((index for index, turn in enumerate(turns) if turn["role"] == "user"), None)
    if first is None:
        raise PromptError("a system text alone is no conversation: add what the user says")
    turns[first] = _message("user", f"{system['content']}\n\n{turns[first]['content']}")
    return turns


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _marked(index: int, content: str) -> str:
    """Return a mark with the blanks that surround a text: a template may strip them."""
    text = content.strip()
    before, _, after = content.partition(text) if text else (content, "", "")
    return before + _MARK.format(index) + after
