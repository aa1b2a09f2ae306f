"""The sieve: keeps candidates of the right length and form, without the persona's words, and unlike each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

NEAR = 0.6
"""The share of common words from which two texts are one."""
_STEM = 4
_ENDING = 3
_SMALL_WORDS = """
a an and are as at be but by can do for from has have he her him his how i if in into is it its like love me my of on
one or our she so some someone speak talk tell than that the their them they thing this to us very was we what when
where which while who why will with would you your
"""
_SMALL = frozenset(_SMALL_WORDS.split())
Keeps = Callable[[str], bool]


@dataclass
class Sieve:
    """Keeps the texts that pass every test and are no near-duplicates, and counts the others by what they failed.

    `said` are texts that a candidate may not repeat, such as the request that it answers.
    """

    tests: Mapping[str, Keeps]
    said: tuple[str, ...] = ()
    kept: list[str] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, texts: Iterable[str]) -> None:
        """Keep or drop each candidate, in order."""
        for text in texts:
            reason = self._reason(text)
            if reason:
                self.dropped[reason] += 1
            else:
                self.kept.append(text)

    @property
    def seen(self) -> int:
        """How many candidates have been looked at."""
        return len(self.kept) + self.dropped.total()

    def _reason(self, text: str) -> str:
        failed = next((name for name, keeps in self.tests.items() if not keeps(text)), "")
        return failed or ("duplicate" if is_near(text, (*self.said, *self.kept)) else "")


def between(fewest: int, most: int) -> Keeps:
    """Return a test for so many words."""
    return lambda text: fewest <= len(text.split()) <= most


def without(name: str, description: str) -> Keeps:
    """Return a test for texts that share no telling word with a persona's name and description.

    A question that names the persona would have the default assistant speak of it as well.
    """
    telling = words(f"{name.replace('-', ' ').replace('_', ' ')} {description}") - _SMALL
    return lambda text: not any(same(word, other) for word in words(text) - _SMALL for other in telling)


def is_near(text: str, others: Iterable[str]) -> bool:
    """Tell whether a text has most of its words in common with another one."""
    return any(likeness(text, other) >= NEAR for other in others)


def likeness(one: str, other: str) -> float:
    """Return the share of the words of either text that both have; 1 for two texts without words."""
    mine, theirs = words(one), words(other)
    return len(mine & theirs) / len(mine | theirs) if mine | theirs else 1.0


def same(one: str, other: str) -> bool:
    """Tell whether two words are forms of one: they begin alike and their endings are short; `sea` and `seas` too."""
    stem = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
    ending = max(len(one), len(other)) - stem
    return ending == 0 or (stem >= _STEM and ending <= _ENDING) or (stem == _STEM - 1 and ending == 1)


def words(text: str) -> frozenset[str]:
    """Return a text's words in lower case, without punctuation."""
    return frozenset(re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower()))


def sentences(text: str) -> str:
    """Return a text on one line up to its last whole sentence; an empty text where it has none."""
    line = " ".join(text.split())
    ends = [match.end() for match in re.finditer(r"[.!?][\"'”’]?(?=\s|$)", line)]
    return line[: ends[-1]] if ends else ""


def list_items(text: str) -> Sequence[str]:
    """Return the lines of a list without their numbers, marks and quotes."""
    lines = (re.sub(r"^\s*(?:\d+\s*[.):]|[-*•])\s*", "", line) for line in text.splitlines())
    return [entry for line in lines if (entry := line.strip().strip("\"'“”*_").strip())]
