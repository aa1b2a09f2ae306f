"""The questionnaire: public-domain statements for each factor, and the questions that a model is asked about one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from persona_core import Record, Text, read_yaml

Statements = Annotated[tuple[Text, ...], Field(min_length=1)]


class Factor(Record):
    """A factor of the Big Five: the personas at its poles, and statements that raise it and that lower it."""

    model_config = ConfigDict(extra="forbid")

    high: Text
    low: Text
    positive: Statements
    negative: Statements

    @property
    def poles(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Return each persona with the sign of its pole."""
        return (self.high, 1), (self.low, -1)


@dataclass(frozen=True)
class Item:
    """A statement in the first person; `key` is 1 where agreeing raises the factor and -1 where it lowers it."""

    factor: str
    statement: str
    key: int


@dataclass(frozen=True)
class Phrasing:
    """A question about a statement, with the two answers that it allows."""

    question: str
    agree: str
    disagree: str


def read_factors() -> dict[str, Factor]:
    """Return the five factors by name."""
    text = files(__package__).joinpath("evaluation/ipip.yaml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, Factor]).validate_python(read_yaml(text))


def items(factors: Mapping[str, Factor]) -> list[Item]:
    """Return every statement of every factor, in file order."""
    keyed = [
        (name, text, key)
        for name, factor in factors.items()
        for key, texts in ((1, factor.positive), (-1, factor.negative))
        for text in texts
    ]
    return [Item(name, f"I {text[0].lower()}{text[1:]}", key) for name, text, key in keyed]


def phrasings(statement: str) -> list[Phrasing]:
    """Return two forms of the question, each with its answers in both orders, so that no place is favoured."""
    questions = []
    for form, agree, disagree in _FORMS:
        for first, second in ((agree, disagree), (disagree, agree)):
            question = form.format(statement=statement, first=first, second=second)
            questions.append(Phrasing(question, agree, disagree))
    return questions


_FORMS = (
    ('Answer {first} or {second}: is this statement true of you? "{statement}"', "Yes", "No"),
    ('Reply {first} or {second}: is this what you are like? "{statement}"', "True", "False"),
)
"""the statement comes last, so that a batch of them shares what is read before"""
