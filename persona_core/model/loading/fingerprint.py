"""Fingerprints: a hash of a model's weights, equal for every precision it is loaded in and for no other model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from persona_core.base.records import digest

SAMPLED = 64
"""Values hashed of every weight, and chunks hashed of a GGUF file."""
_CHUNK = 4096


def fingerprint(model: Any, weights: Path | None) -> str:
    """Hash the name, the shape and the first 64 values of every weight: on disk, or in memory without a file.

    `weights` is the folder of safetensors or the GGUF file that the model was loaded from. No whole file is read.
    """
    if weights is not None and weights.is_file():
        return digest(b"".join(_chunks(weights)))
    state = hashlib.sha256()
    for name, shape, sample in sorted(_stored(weights) if weights else _in_memory(model), key=lambda row: row[0]):
        state.update(f"{name}{shape}".encode())
        state.update(sample.float().cpu().numpy().tobytes())
    return state.hexdigest()[:16]


def _stored(folder: Path) -> Iterator[tuple[str, list[int], Tensor]]:
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                tensor = file.get_slice(name)
                shape = tensor.get_shape()
                yield name, shape, (tensor[:1] if shape else tensor[:]).flatten()[:SAMPLED]


def _in_memory(model: Any) -> Iterator[tuple[str, list[int], Tensor]]:
    for name, weight in model.named_parameters():
        yield name, list(weight.shape), weight.detach()[:1].flatten()[:SAMPLED]


def _chunks(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    yield str(size).encode()
    with path.open("rb") as file:
        for index in range(SAMPLED):
            file.seek(size * index // SAMPLED)
            yield file.read(_CHUNK)
