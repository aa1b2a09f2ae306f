"""Language: which scripts and language texts are written in, which sentences leave them, and what is code."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_TIMES_LIKELIER = 50
"""A sentence is in another language where that one is so many times as likely as the language of the questions.

Among 1,900 English sentences of four words and more, which people or the embedded model wrote, the highest was 30 ("Oh
no, no no no no no!"). Four words of another language that is written in Latin letters reach 60, eight 10,000.
"""
_TELLING_WORDS = 4
"""A shorter sentence tells no language: `Oui, bien sûr` may stand in an English reply."""
_WITHOUT_SPACES = frozenset({"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"})
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
_LETTERS = re.compile(r"[^\W\d_]+")
_CODE_LINE = re.compile(
    r"\s*(import [\w.]+( as \w+)?$|from [\w.]+ import |(async )?def \w+\(|class \w+[(:]|(for|while|if) .*[:{]$"
    r"|return [^ ]+;?$|#include|(function|public|private|static|const|let|var) .*[({=;]|\w+(\.\w+)*\(.*\);?$"
    r"|[\w.\[\]]+ [-+*/]?= |.*[{}]$|.*[=)].*;$|</?\w+[^>]*>)"
)
_FENCE = "```"


@dataclass(frozen=True)
class Writing:
    """How texts are written: the scripts of their letters and their likeliest language."""

    scripts: frozenset[str]
    language: str

    @classmethod
    def of(cls, texts: Sequence[str]) -> Writing:
        """Return the writing of all texts together."""
        text = "\n".join(texts)
        return cls(frozenset(letters_by_script(text)), _identifier().classify(text)[0])

    def foreign_letters(self, text: str) -> float:
        """Return the share of a text's letters that belong to other scripts."""
        letters = letters_by_script(text)
        return sum(n for script, n in letters.items() if script not in self.scripts) / max(letters.total(), 1)

    def foreign_words(self, text: str) -> float:
        """Return the share of a text's words that stand in sentences of another language."""
        foreign = sum(n_words(sentence) for sentence in sentences(text) if self._is_foreign(sentence))
        return foreign / max(n_words(text), 1)

    def _is_foreign(self, sentence: str) -> bool:
        if n_words(sentence) < _TELLING_WORDS:
            return False
        ranked = _identifier().rank(sentence)
        return bool(ranked[0][1] > _TIMES_LIKELIER * dict(ranked)[self.language])


def letters_by_script(text: str) -> Counter[str]:
    """Count a text's letters by script: LATIN, CYRILLIC, CJK and so on, as the Unicode names of letters begin."""
    return Counter(_script(character) for character in text if character.isalpha())


def letter_share(text: str) -> float:
    """Return letters, with the marks on them, as a share of all characters that are not blanks."""
    visible = [character for character in text if not character.isspace()]
    letters = sum(unicodedata.category(character)[0] in "LM" for character in visible)
    return letters / max(len(visible), 1)


def n_words(text: str) -> int:
    """Count words; in scripts that put no blanks between words every letter counts as one."""
    return sum(_words_in(run) for run in _LETTERS.findall(text))


def sentences(text: str) -> Iterator[str]:
    """Yield a text's sentences; a line break ends one too."""
    return (sentence for sentence in _SENTENCE_END.split(text) if sentence)


def code_share(text: str) -> float:
    """Return the share of a text's lines that are program code; behind a code fence every line is."""
    prose, *_ = text.partition(_FENCE)
    lines = [line for line in prose.splitlines() if line.strip()]
    fenced = [line for line in text[len(prose) :].splitlines() if line.strip()]
    code = sum(bool(_CODE_LINE.match(line)) for line in lines)
    return (code + len(fenced)) / max(len(lines) + len(fenced), 1)


def _words_in(run: str) -> int:
    return len(run) if _script(run[0]) in _WITHOUT_SPACES else 1


@cache
def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split()[0]


@cache
def _identifier() -> LanguageIdentifier:
    """Return the naive-Bayes classifier of byte sequences that `py3langid` ships, over all of its languages."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
