"""Scores that were given once are kept, so that a killed evaluation goes on and an endpoint is not asked twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.files import append_lines, read_text
from persona_core.base.progress import Progress, silent
from persona_core.evaluation.judges import Judge, JudgedReply
from persona_core.personas.archetype import Archetype

if TYPE_CHECKING:
    from persona_core.model.wrapper import ModelWrapper

_CHUNK = 64


@dataclass
class ScoreCache:
    """Rows of scores by what they were given for. A line cut short is ignored."""

    path: Path | None
    rows: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None) -> ScoreCache:
        """Read what is there."""
        cache = cls(path)
        if path is not None and path.is_file():
            for line in read_text(path).splitlines():
                try:
                    entry = json.loads(line)
                    cache.rows[entry["key"]] = entry["scores"]
                except (ValueError, KeyError, TypeError):
                    continue
        return cache

    def add(self, found: dict[str, list[float]]) -> None:
        """Keep rows, in memory and on disk."""
        self.rows |= found
        if self.path is not None:
            append_lines(self.path, [json.dumps({"key": key, "scores": row}) for key, row in found.items()])


def cached_scores(
    judge: Judge,
    replies: Sequence[JudgedReply],
    personas: Sequence[Archetype],
    model: ModelWrapper,
    cache: ScoreCache | None = None,
    progress: Progress = silent,
) -> Float[Tensor, "reply persona"]:
    """Return the judge's scores, asking it in chunks for those alone that are not kept yet."""
    cache = cache or ScoreCache(None)
    keys = [_key(judge, reply, personas, model) for reply in replies]
    missing = list({key: reply for key, reply in zip(keys, replies, strict=True) if key not in cache.rows}.items())
    for start in range(0, len(missing), _CHUNK):
        progress("judging", start, len(missing))
        chunk = missing[start : start + _CHUNK]
        scores = judge.score([reply for _, reply in chunk], personas, model)
        cache.add({key: [float(value) for value in row] for (key, _), row in zip(chunk, scores, strict=True)})
    progress("judging", len(missing), len(missing))
    return torch.tensor([cache.rows[key] for key in keys])


def _key(judge: Judge, reply: JudgedReply, personas: Sequence[Archetype], model: ModelWrapper) -> str:
    what = [
        judge.name,
        repr(judge),
        model.identity.fingerprint,
        reply.question,
        reply.tokens,
        [persona.model_dump_json() for persona in personas],
    ]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:24]
