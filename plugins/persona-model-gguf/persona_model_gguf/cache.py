"""The cache: converts a GGUF file once, into a folder named after its contents; a changed file is converted anew."""

import hashlib
import json
import os
from functools import partial
from pathlib import Path

from persona_core import (
    CONVERSION_REVISION,
    CachedModel,
    Notify,
    check_memory,
    check_room,
    conversion_needs,
    convert_gguf,
    is_converted,
    reading_gguf,
    slug,
)
from persona_core.errors import ModelError
from persona_model_gguf.header import check_header, read_header

_END = 1 << 20
"""Bytes of each end that are hashed: to hash the whole of a large file would take longer than to load it."""
_REVISION = 2
"""Raise this number where the same file is made another folder: files are then converted anew."""


def fetch(path: Path, report: Notify) -> Path:
    """Return the folder of a file's model; convert it the first time.

    Raises `ModelError` where there is no such file, it is no GGUF file, or it holds no model that can be chatted with.
    """
    facts = identify(path)
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    whole = partial(is_converted, facts=facts)
    folder = f"gguf-{slug(path.stem)[:80]}-{key}"
    return CachedModel(folder, path.name, whole, partial(_make, path, facts)).fetch(report)


def identify(path: Path) -> dict[str, object]:
    """Return what tells a file from another: size, time of its last change, and a hash of both its ends."""
    try:
        with path.open("rb") as file:
            head = file.read(_END)
            state = os.fstat(file.fileno())
            file.seek(max(state.st_size - _END, 0))
            tail = file.read(_END)
    except OSError as error:
        raise ModelError(f"no GGUF file {path}: {error.strerror}") from error
    if head[:4] != b"GGUF":
        raise ModelError(f"{path} is not a GGUF file: it begins with {head[:4]!r} and not with b'GGUF'")
    ends = hashlib.sha256(head + tail).hexdigest()
    return {
        "file": path.name,
        "size": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        "ends_sha256": ends,
        "revision": [CONVERSION_REVISION, _REVISION],
    }


def _make(path: Path, facts: dict[str, object], work: Path, model: Path, report: Notify) -> None:
    with reading_gguf(path):
        header = read_header(path)
        check_header(path, header)
        needs = conversion_needs(path)
        check_memory(needs.memory, str(path))
        check_room(work, needs.disk)
        report(f"converting {path.name}, once: this takes {needs}")
        convert_gguf(path, model, facts)
