"""Log-probabilities: how likely the unsteered model finds each token of a reply after a question, kept on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.files import LineCache
from persona_core.base.messages import question_messages
from persona_core.base.progress import Progress, silent
from persona_core.base.records import digest
from persona_core.evaluation.judges import JudgedReply
from persona_core.model.scoring import token_log_probs
from persona_core.model.wrapper import ModelWrapper

_CHUNK = 64


def log_prob_cache(path: Path | None = None) -> LineCache:
    """Open a cache of tokens' log-probabilities, one row a reply; in memory without a path."""
    return LineCache.open(path, "log_probs")


def cached_log_probs(
    model: ModelWrapper, replies: Sequence[JudgedReply], cache: LineCache, progress: Progress = silent
) -> list[Float[Tensor, "token"]]:
    """Return the log-probabilities, in nats, of each reply's tokens after its question, without a system prompt.

    Only what the cache lacks is read, in chunks, so that a killed run goes on.
    """
    prompts = [model.encode(question_messages(reply.question)) for reply in replies]
    keys = [_key(model, prompt, reply) for prompt, reply in zip(prompts, replies, strict=True)]
    rows = dict(zip(keys, zip(prompts, replies, strict=True), strict=True))
    missing = [key for key in rows if key not in cache.entries]
    for start in range(0, len(missing), _CHUNK):
        progress("reading replies", start, len(missing))
        chunk = missing[start : start + _CHUNK]
        asked, read = [rows[key][0] for key in chunk], [rows[key][1].tokens for key in chunk]
        log_probs = token_log_probs(model, asked, read)
        cache.add({key: _rounded(row) for key, row in zip(chunk, log_probs, strict=True)})
    progress("reading replies", len(missing), len(missing))
    return [torch.tensor(cache.entries[key]) for key in keys]


def _rounded(log_probs: Float[Tensor, "token"]) -> list[float]:
    return [round(float(log_prob), 5) for log_prob in log_probs]


def _key(model: ModelWrapper, prompt: Sequence[int], reply: JudgedReply) -> str:
    return digest(json.dumps([model.identity.fingerprint, str(model.dtype), list(prompt), list(reply.tokens)]), 24)
