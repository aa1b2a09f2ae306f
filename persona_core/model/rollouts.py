"""Sample replies in length-sorted batches, keeping each finished batch on disk so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from persona_core.base.files import append_lines, read_text
from persona_core.base.progress import Progress, silent
from persona_core.model.decoding import Row, Sampling, decode
from persona_core.model.rollout import Condition, Message, Rollout
from persona_core.model.wrapper import ModelWrapper, batches
from persona_core.steering.plan import UNSTEERED, SteeringPlan


@dataclass(frozen=True)
class RolloutRequest:
    """A conversation to be answered, and the condition it stands for; steered by a plan, where one is given."""

    messages: tuple[Message, ...]
    condition: Condition
    plan: SteeringPlan = UNSTEERED
    seed: int | None = None
    """Where none is given, one made from the seed of all and the request's place."""


@dataclass
class RolloutCache:
    """Replies by what they were sampled from: model, prompt, sampling and seed. A line cut short is ignored."""

    path: Path | None
    replies: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None) -> RolloutCache:
        """Read what is there."""
        cache = cls(path)
        if path is not None and path.is_file():
            for line in read_text(path).splitlines():
                cache._read(line)
        return cache

    def add(self, found: dict[str, list[int]]) -> None:
        """Keep replies, in memory and on disk."""
        self.replies |= found
        if self.path is not None:
            append_lines(self.path, [json.dumps({"key": key, "tokens": tokens}) for key, tokens in found.items()])

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
            self.replies[entry["key"]] = entry["tokens"]
        except (ValueError, KeyError, TypeError):
            return


def roll_out(
    model: ModelWrapper,
    requests: Sequence[RolloutRequest],
    sampling: Sampling,
    seed: int,
    *,
    cache: RolloutCache | None = None,
    progress: Progress = silent,
    stage: str = "replies",
) -> list[Rollout]:
    """Answer every request, in its order. Row `i` of a condition has a seed of its own made from `seed` and `i`."""
    cache = cache or RolloutCache(None)
    prompts = [model.encode(request.messages) for request in requests]
    rows = [
        Row(prompt, request.plan, seed * 1_000_003 + place if request.seed is None else request.seed)
        for place, (request, prompt) in enumerate(zip(requests, prompts, strict=True))
    ]
    keys = [reply_key(model, row, sampling) for row in rows]
    missing = [place for place, key in enumerate(keys) if key not in cache.replies]
    done = len(requests) - len(missing)
    progress(stage, done, len(requests))
    for batch in batches([len(prompts[place]) for place in missing], model.config.extraction.batch_size):
        places = [missing[place] for place in batch]
        for _ in decode(model, [rows[place] for place in places], sampling):
            pass
        cache.add({keys[place]: rows[place].tokens for place in places})
        done += len(places)
        progress(stage, done, len(requests))
    return [
        _rollout(model, request, prompt, cache.replies[key])
        for request, prompt, key in zip(requests, prompts, keys, strict=True)
    ]


def reply_key(model: ModelWrapper, row: Row, sampling: Sampling) -> str:
    """Return what a reply is kept by: the same key is the same reply."""
    what = [model.identity.fingerprint, str(model.dtype), list(row.prompt), repr(sampling), row.seed]
    if row.plan.changes:
        what.append(row.plan.digest())
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:24]


def _rollout(model: ModelWrapper, request: RolloutRequest, prompt: list[int], reply: list[int]) -> Rollout:
    spoken = reply[:-1] if reply and reply[-1] in model.end_tokens else reply
    return Rollout(
        request.messages, model.decode(spoken), len(prompt), request.condition, (*prompt, *(spoken or reply))
    )
