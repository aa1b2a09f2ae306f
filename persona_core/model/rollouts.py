"""Sample replies in length-sorted batches, keeping each finished batch on disk so that a killed run goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from persona_core.base.files import LineCache
from persona_core.base.messages import Message
from persona_core.base.progress import Progress, silent
from persona_core.base.records import digest
from persona_core.model.decoding import Row, Sampling, generate_tokens
from persona_core.model.padding import batches
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.plan import UNSTEERED, SteeringPlan

Condition = Literal["persona", "default"]


@dataclass(frozen=True)
class Rollout:
    """`token_ids[response_start:]` is the reply as it was sampled; `score` is a judge's, where one has read it."""

    messages: tuple[Message, ...]
    response: str
    response_start: int
    condition: Condition
    token_ids: tuple[int, ...]
    score: float | None = None

    @property
    def n_response_tokens(self) -> int:
        """The length of the reply in tokens."""
        return len(self.token_ids) - self.response_start


@dataclass(frozen=True)
class RolloutRequest:
    """A conversation to be answered, and the condition it stands for; steered by a plan, where one is given."""

    messages: tuple[Message, ...]
    condition: Condition
    plan: SteeringPlan = UNSTEERED
    seed: int | None = None
    """Where none is given, one made from the seed of all and the request's place."""


def reply_cache(path: Path | None) -> LineCache:
    """Open a cache of replies' tokens, kept by model, prompt, sampling and seed."""
    return LineCache.open(path, "tokens")


def roll_out(
    model: ModelWrapper,
    requests: Sequence[RolloutRequest],
    sampling: Sampling,
    seed: int,
    *,
    cache: LineCache | None = None,
    progress: Progress = silent,
    stage: str = "replies",
) -> list[Rollout]:
    """Answer every request, in its order. Row `i` of a condition has a seed of its own made from `seed` and `i`."""
    prompts = [model.encode(request.messages) for request in requests]
    rows = [
        Row(prompt, request.plan, seed * 1_000_003 + index if request.seed is None else request.seed)
        for index, (request, prompt) in enumerate(zip(requests, prompts, strict=True))
    ]
    replies = sample_rows(model, rows, sampling, cache, progress=progress, stage=stage)
    return [_rollout(model, *each) for each in zip(requests, prompts, replies, strict=True)]


def sample_rows(
    model: ModelWrapper,
    rows: Sequence[Row],
    sampling: Sampling,
    cache: LineCache | None = None,
    *,
    progress: Progress = silent,
    stage: str = "replies",
) -> list[list[int]]:
    """Return the reply's tokens of every row; rows that the cache holds are not sampled again."""
    cache = cache or reply_cache(None)
    keys = [_reply_key(model, row, sampling) for row in rows]
    missing = [index for index, key in enumerate(keys) if key not in cache.entries]
    done = len(rows) - len(missing)
    progress(stage, done, len(rows))
    for batch in batches([len(rows[index].prompt) for index in missing], model.config.extraction.batch_size):
        sampled = [missing[place] for place in batch]
        for _ in generate_tokens(model, [rows[index] for index in sampled], sampling):
            pass
        cache.add({keys[index]: rows[index].tokens for index in sampled})
        done += len(sampled)
        progress(stage, done, len(rows))
    return [cache.entries[key] for key in keys]


def _reply_key(model: ModelWrapper, row: Row, sampling: Sampling) -> str:
    """Return what a reply is kept by: the same key is the same reply."""
    key = [model.identity.fingerprint, str(model.dtype), list(row.prompt), repr(sampling), row.seed]
    if row.plan.changes:
        key.append(row.plan.digest())
    return digest(json.dumps(key), 24)


def _rollout(model: ModelWrapper, request: RolloutRequest, prompt: list[int], reply: list[int]) -> Rollout:
    spoken = reply[:-1] if reply and reply[-1] in model.end_tokens else reply
    return Rollout(
        request.messages, model.decode(spoken), len(prompt), request.condition, (*prompt, *(spoken or reply))
    )
