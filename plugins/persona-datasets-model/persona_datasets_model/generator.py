"""ModelWritten: the generator that lets the model write system prompts and questions for a description."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from persona_core import Archetype, Templates, as_noun_phrase
from persona_core.errors import DatasetError
from persona_datasets_model.sieve import Sieve, between, list_items, sentences, without
from persona_datasets_model.writing import Request, replies

if TYPE_CHECKING:
    from persona_core import ModelWrapper

ROUNDS = 6
_SPARE = 2
"""How many replies a round samples beyond the number of texts, or beyond half the number of questions, to reach."""
_EXAMPLES = (
    "How do I get a stain out of a shirt?",
    "What makes a good neighbour?",
    "Why do people keep diaries?",
    "Should I lend money to a friend?",
)
_BEGINS = ("How", "What", "Why", "Should I", "Is it", "Where", "Can", "When")


@dataclass(frozen=True)
class ModelWritten(Templates):
    """The loaded model writes what `extraction.system_prompts` and `extraction.questions` ask for.

    The dataset of an archetype and the safety dataset are those of the templates.
    """

    name: str = "model-written"
    prompt_tokens: int = 48
    list_tokens: int = 60
    model: ModelWrapper | None = field(default=None, repr=False)

    def with_model(self, model: ModelWrapper) -> ModelWritten:
        """Return the generator that writes with this model."""
        return replace(self, model=model)

    def archetype(self, name: str, description: str, questions: Sequence[str]) -> Archetype:
        """Have system prompts and questions written; the bank's questions are not used.

        Raises `DatasetError` where too few of the candidates serve.
        """
        if self.model is None:
            raise DatasetError("`model-written` writes with a model, and none is loaded here")
        settings, who = self.model.config.extraction, as_noun_phrase(description)
        prompts, lists = prompt_request(who, self.prompt_tokens), question_request(who, self.list_tokens)
        return Archetype(
            name=name,
            description=description,
            system_prompts=tuple(system_prompts(self.model, prompts, settings.system_prompts)),
            questions=tuple(questions_for(self.model, lists, question_sieve(lists, name, who), settings.questions)),
            tags=("described", "model-written"),
        )


def system_prompts(model: ModelWrapper, request: Request, n: int) -> list[str]:
    """Return system prompts: who the persona is, as described, and what the model adds of its manner."""
    sieve = prompt_sieve(request)
    _fill(model, request, sieve, n, n + _SPARE, prompts_of, "system prompts")
    return [f"{request.lead}{text}" for text in sieve.kept[:n]]


def questions_for(model: ModelWrapper, request: Request, sieve: Sieve, n: int) -> list[str]:
    """Return questions that pass the sieve, in the order in which they were written."""
    _fill(model, request, sieve, n, n // 2 + _SPARE, list_items, "questions")
    return sieve.kept[:n]


def prompt_request(who: str, max_new_tokens: int = ModelWritten.prompt_tokens) -> Request:
    """Return what the model is asked for a system prompt."""
    asked = f"Describe {who} in the second person, in two sentences: how you speak, and what you care about."
    return Request(asked, f"You are {who}. ", ("You",), max_new_tokens, temperature=0.9)


def prompt_sieve(request: Request) -> Sieve:
    """Return what a system prompt must be: some words in whole sentences, unlike the request and the others."""
    return Sieve({"form": bool, "length": between(6, 60)}, (request.text,))


def prompts_of(reply: str) -> Sequence[str]:
    """Return a reply up to its last whole sentence."""
    return [sentences(reply)]


def question_request(who: str, max_new_tokens: int = ModelWritten.list_tokens) -> Request:
    """Return what the model is asked for a list of questions; it goes on after four that are given."""
    asked = f"Write ten short questions that people ask {who}. One question a line."
    given = "".join(f"{number}. {text}\n" for number, text in enumerate(_EXAMPLES, 1))
    return Request(asked, f"{given}{len(_EXAMPLES) + 1}. ", _BEGINS, max_new_tokens, temperature=0.8)


def question_sieve(request: Request, name: str, who: str) -> Sieve:
    """Return what a question must be: short, a question, without a word of the persona's, unlike the others."""
    tests = {"form": is_question, "length": between(3, 25), "leak": without(name, who)}
    return Sieve(tests, (request.text, *_EXAMPLES))


def is_question(text: str) -> bool:
    """Tell whether a text is one question and nothing more."""
    return text.endswith("?") and text[0].isalpha() and text.count("?") == 1


def _fill(
    model: ModelWrapper,
    request: Request,
    sieve: Sieve,
    n: int,
    count: int,
    texts_of: Callable[[str], Iterable[str]],
    noun: str,
) -> None:
    """Sample rounds of `count` replies until `n` texts pass the sieve; raise `DatasetError` where too few ever do."""
    for start in range(0, ROUNDS * count, count):
        for reply in replies(model, request, start, count):
            sieve.add(texts_of(reply))
        if len(sieve.kept) >= n:
            return
    raise DatasetError(_too_few(model.identity.name, sieve, n, noun))


def _too_few(model: str, sieve: Sieve, n: int, noun: str) -> str:
    dropped = ", ".join(f"{reason} {count}" for reason, count in sieve.dropped.most_common())
    return (
        f"{model} wrote {sieve.seen} {noun}, of which {len(sieve.kept)} serve, and {n} are wanted (dropped: "
        f"{dropped or 'none'}): use a larger model, describe the persona in other words, or take the templates with "
        "`--generator templates`"
    )
