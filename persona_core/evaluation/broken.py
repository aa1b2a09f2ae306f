"""Broken replies: those that leave the writing of the questions, loop, or say next to nothing."""

from __future__ import annotations

from collections.abc import Sequence

from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.language import Writing, code_share, letter_share, n_words
from persona_core.evaluation.statistics import repetition

KINDS = ("other script", "other language", "code", "loop", "under four words")
_FOREIGN_LETTERS = 0.3
_LETTERS = 0.5
_FOREIGN_WORDS = 0.3
_CODE_LINES = 0.5
_REPEATED = 0.3
_WORDS = 4


def broken_kinds(reply: JudgedReply, writing: Writing) -> tuple[str, ...]:
    """Return every kind in which a reply is broken, in the order of `KINDS`; none for a sound reply.

    `writing` is that of the questions. A reply of digits and signs alone counts as another script. Loops are judged by
    the reply's tokens, everything else by its text.
    """
    text = reply.text
    signs = {
        "other script": writing.foreign_letters(text) > _FOREIGN_LETTERS or letter_share(text) < _LETTERS,
        "other language": writing.foreign_words(text) > _FOREIGN_WORDS,
        "code": code_share(text) > _CODE_LINES,
        "loop": repetition([reply.tokens]) > _REPEATED,
        "under four words": n_words(text) < _WORDS,
    }
    return tuple(kind for kind in KINDS if signs[kind])


def count_kinds(kinds: Sequence[Sequence[str]]) -> dict[str, int]:
    """Count the replies that are broken in each kind; one that is broken in two counts for both."""
    return {kind: sum(kind in of_reply for of_reply in kinds) for kind in KINDS}
