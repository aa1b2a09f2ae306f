"""Rollouts: sample replies in length-sorted batches; each finished batch is kept on disk, so a killed run resumes."""

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
    """A sampled reply: `token_ids[response_start:]` are its tokens, and `score` is the judge's if one has scored it."""

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
    """A conversation to answer, the condition that it belongs to, and the plan that steers the reply."""

    messages: tuple[Message, ...]
    condition: Condition
    plan: SteeringPlan = UNSTEERED
    seed: int | None = None
    """None for a seed made from that of all requests and the index of this one."""


def reply_cache(path: Path | None) -> LineCache:
    """Open a cache of replies' tokens, keyed by model, prompt, sampling, seed and plan; in memory without a path."""
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
    """Answer every request, in order. Request `i` is sampled with its own seed, or one made from `seed` and `i`."""
    prompts = [model.encode(request.messages) for request in requests]
    rows = [
        Row(prompt, request.plan, seed * 1_000_003 + index if request.seed is None else request.seed)
        for index, (request, prompt) in enumerate(zip(requests, prompts, strict=True))
    ]
    replies = sample_rows(model, rows, sampling, cache, progress=progress, stage=stage)
    return [_rollout(model, *answered) for answered in zip(requests, prompts, replies, strict=True)]


def sample_rows(
    model: ModelWrapper,
    rows: Sequence[Row],
    sampling: Sampling,
    cache: LineCache | None = None,
    *,
    progress: Progress = silent,
    stage: str = "replies",
) -> list[list[int]]:
    """Return the reply's tokens for every row; sample only rows that the cache does not hold."""
    cache = cache or reply_cache(None)
    keys = [_reply_key(model, row, sampling) for row in rows]
    missing = [index for index, key in enumerate(keys) if key not in cache.entries]
    done = len(rows) - len(missing)
    progress(stage, done, len(rows))
    for batch in batches([len(rows[index].prompt) for index in missing], model.config.extraction.batch_size):
        sampled = [missing[index] for index in batch]
        for _ in generate_tokens(model, [rows[index] for index in sampled], sampling):
            pass
        cache.add({keys[index]: rows[index].tokens for index in sampled})
        done += len(sampled)
        progress(stage, done, len(rows))
    return [cache.entries[key] for key in keys]


def _reply_key(model: ModelWrapper, row: Row, sampling: Sampling) -> str:
    """Return a key that is equal for rows that get the same reply."""
    key = [model.identity.fingerprint, str(model.dtype), list(row.prompt), repr(sampling), row.seed]
    if row.plan.changes:
        key.append(row.plan.digest())
    return digest(json.dumps(key), 24)


def _rollout(model: ModelWrapper, request: RolloutRequest, prompt: list[int], reply: list[int]) -> Rollout:
    spoken = reply[:-1] if reply and reply[-1] in model.end_tokens else reply
    return Rollout(
        request.messages, model.decode(spoken), len(prompt), request.condition, (*prompt, *(spoken or reply))
    )
