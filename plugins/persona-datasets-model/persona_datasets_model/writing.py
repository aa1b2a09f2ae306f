"""Candidates as the model samples them: a request, and how its reply begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_core.model.rollout import chat

if TYPE_CHECKING:
    from persona_core.model.decoding import Row, Sampling
    from persona_core.model.wrapper import ModelWrapper


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

    A reply's number, the seed of the configuration and the model give the same text for ever.
    """
    from persona_core.model.decoding import Row, Sampling
    from persona_core.model.rollouts import RolloutCache, reply_key
    from persona_core.steering.plan import UNSTEERED

    prompts = [_prompt(model, request, begin) for begin in request.begins]
    sampling = Sampling(request.max_new_tokens, request.temperature)
    seed = model.config.extraction.seed * 1_000_003
    numbers = range(start, start + count)
    rows = [Row(prompts[number % len(prompts)], UNSTEERED, seed + number) for number in numbers]
    keys = [reply_key(model, row, sampling) for row in rows]
    cache = RolloutCache.open(model.config.workspace.cache / model.identity.slug / "written.jsonl")
    missing = {key: row for key, row in zip(keys, rows, strict=True) if key not in cache.replies}
    cache.add(_sampled(model, missing, sampling))
    for number, key in zip(numbers, keys, strict=True):
        yield request.begins[number % len(prompts)] + model.decode(cache.replies[key])


def _sampled(model: ModelWrapper, rows: Mapping[str, Row], sampling: Sampling) -> dict[str, list[int]]:
    """Return the tokens of every row, sampled in batches."""
    from persona_core.model.decoding import decode

    todo, size = list(rows.values()), model.config.extraction.batch_size
    for first in range(0, len(todo), size):
        for _ in decode(model, todo[first : first + size], sampling):
            pass
    return {key: row.tokens for key, row in rows.items()}


def _prompt(model: ModelWrapper, request: Request, begin: str) -> list[int]:
    opened = model.tokenizer(request.lead + begin, add_special_tokens=False)["input_ids"]
    return [*model.encode(chat(request.text)), *opened]
