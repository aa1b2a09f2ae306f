"""Broken replies: each kind on replies that a model really gave or could give, and sound replies beside them."""

import pytest

from persona_core.evaluation.broken import KINDS, broken_kinds, count_kinds
from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.language import Writing

QUESTION = "I am about to become a father and I am scared."
ENGLISH = Writing.of([QUESTION, "What makes a good breakfast?"])
BROKEN = {
    "חירקקלס לע פלקה, כי בעברי מע פלקה ל": ("other script", "other language"),
    "你好，我是一个人工智能助手。": ("other script", "other language"),
    "1. 2. 3. 4. 5. 6. 7.": ("other script", "under four words"),
    "1. 1. 1. 1. 1. 1. 1. 1.": ("other script", "loop", "under four words"),
    "A paciência é a mãe da sabedoria, meu filho.": ("other language",),
    "Be patient. No te preocupes por el futuro, porque todo llega.": ("other language",),
    "def main():\n    print('hello world')": ("code",),
    "the soul of the night the soul of the night the soul of the night": ("loop",),
    "The darkness within.": ("under four words",),
    "": ("other script", "under four words"),
}
SOUND = (
    "It depends on you.",
    "Yes, of course you can.",
    'Hey buddy, what\'s a "courage"??',
    "Wow! Wow! Wow! Wow! What an adventure!",
    "Bien sûr, a mondadeline! Fresh herbs, garlic and a little wine.",
    "Boil pasta. Add salt. Drain. Serve.",
    "Aim for a mix:\n\n1. Oats\n2. Fruit\n3. A glass of milk",
    "The moon is high;\nthe sea is low;\nand we must go.",
)


def reply(text: str) -> JudgedReply:
    """Return a reply with one token a word."""
    words = text.split() or [""]
    return JudgedReply(QUESTION, text, tuple(sorted(set(words)).index(word) for word in words))


@pytest.mark.parametrize(("text", "kinds"), BROKEN.items())
def test_a_broken_reply_is_broken_in_its_kinds(text: str, kinds: tuple[str, ...]) -> None:
    assert broken_kinds(reply(text), ENGLISH) == kinds


@pytest.mark.parametrize("text", SOUND)
def test_a_sound_reply_is_not_broken(text: str) -> None:
    assert broken_kinds(reply(text), ENGLISH) == ()


def test_a_loop_is_more_than_three_tenths_of_repeated_runs_of_four_tokens() -> None:
    words = "a sentence of many different words for the test"
    assert broken_kinds(JudgedReply(QUESTION, words, tuple(range(10)) * 2), ENGLISH) == ("loop",)
    assert broken_kinds(JudgedReply(QUESTION, words, (*range(20), *range(7))), ENGLISH) == ()


def test_every_kind_is_counted_once_a_reply() -> None:
    counted = count_kinds([("loop", "code"), ("loop",), ()])
    assert list(counted) == list(KINDS)
    assert (counted["loop"], counted["code"], counted["other script"]) == (2, 1, 0)
