"""Score cache: keeps judges' scores on disk, so that a killed evaluation goes on and no endpoint is asked twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.files import LineCache
from persona_core.base.progress import Progress, silent
from persona_core.base.records import digest
from persona_core.evaluation.judges import Judge, JudgedReply
from persona_core.personas.archetype import Archetype

if TYPE_CHECKING:
    from persona_core.model.wrapper import ModelWrapper

_CHUNK = 64


def score_cache(path: Path | None) -> LineCache:
    """Open a cache of scores, one row a reply, by a key of the judge, the model, the reply and the personas."""
    return LineCache.open(path, "scores")


def cached_scores(
    judge: Judge,
    replies: Sequence[JudgedReply],
    personas: Sequence[Archetype],
    model: ModelWrapper,
    cache: LineCache | None = None,
    progress: Progress = silent,
) -> Float[Tensor, "reply persona"]:
    """Return the judge's scores; it is asked, in chunks, only for those that the cache lacks."""
    cache = cache or score_cache(None)
    keys = [_key(judge, reply, personas, model) for reply in replies]
    missing = list({key: reply for key, reply in zip(keys, replies, strict=True) if key not in cache.entries}.items())
    for start in range(0, len(missing), _CHUNK):
        progress("judging", start, len(missing))
        chunk = missing[start : start + _CHUNK]
        scores = judge.score([reply for _, reply in chunk], personas, model)
        cache.add({key: [float(value) for value in row] for (key, _), row in zip(chunk, scores, strict=True)})
    progress("judging", len(missing), len(missing))
    return torch.tensor([cache.entries[key] for key in keys])


def _key(judge: Judge, reply: JudgedReply, personas: Sequence[Archetype], model: ModelWrapper) -> str:
    determinants = [
        judge.name,
        repr(judge),
        model.identity.fingerprint,
        reply.question,
        reply.tokens,
        [persona.model_dump_json() for persona in personas],
    ]
    return digest(json.dumps(determinants), 24)
