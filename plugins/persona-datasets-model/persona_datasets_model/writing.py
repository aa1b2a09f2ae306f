"""Writing: samples the candidates for a request, each with a given beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_core import question_messages

if TYPE_CHECKING:
    from persona_core import ModelWrapper


@dataclass(frozen=True)
class Request:
    """What the model is asked to write, how its replies begin, and how they are sampled.

    Every reply begins with `lead`, which is not part of what is returned, and with one of `begins` in turn, which is.
    """

    text: str
    lead: str
    begins: tuple[str, ...]
    max_new_tokens: int
    temperature: float


def replies(model: ModelWrapper, request: Request, start: int, count: int) -> Iterator[str]:
    """Yield replies `start` to `start + count`; what has been sampled before comes from the workspace's cache.

    The same number, configured seed and model always give the same text.
    """
    from persona_core import UNSTEERED, Row, Sampling, reply_cache, sample_rows

    prompts = [_prompt(model, request, begin) for begin in request.begins]
    sampling = Sampling(request.max_new_tokens, request.temperature)
    seed = model.config.extraction.seed * 1_000_003
    numbers = range(start, start + count)
    rows = [Row(prompts[number % len(prompts)], UNSTEERED, seed + number) for number in numbers]
    cache = reply_cache(model.config.workspace.cache / model.identity.slug / "written.jsonl")
    for number, reply in zip(numbers, sample_rows(model, rows, sampling, cache), strict=True):
        yield request.begins[number % len(prompts)] + model.decode(reply)


def _prompt(model: ModelWrapper, request: Request, begin: str) -> list[int]:
    opened = model.tokenizer(request.lead + begin, add_special_tokens=False)["input_ids"]
    return [*model.encode(question_messages(request.text)), *opened]
