"""The cache: makes a model's folder from its GGUF file, once."""

from functools import partial
from pathlib import Path

from persona_core import (
    CONVERSION_REVISION,
    CachedModel,
    Notify,
    check_memory,
    check_room,
    convert_gguf,
    is_converted,
)
from persona_model_qwen_coder.parts import join_parts
from persona_model_qwen_coder.published import PublishedModel


def fetch(model: PublishedModel, report: Notify) -> Path:
    """Return the folder of the converted model; download and convert it the first time.

    Raises `ModelError` where there is neither a converted model nor a way to the weights, where disk or memory do not
    suffice, and where the cache cannot be written.
    """
    return _cached(model).fetch(report)


def facts(model: PublishedModel) -> dict[str, object]:
    """Return what is written beside the converted model, by which it is known."""
    return {
        "model": model.title,
        "license": "Apache-2.0",
        "packages": f"{model.carrier}1-{model.n_parts}=={model.version}",
        "gguf_sha256": model.sha256,
        "dtype": "bfloat16",
        "revision": CONVERSION_REVISION,
    }


def _cached(model: PublishedModel) -> CachedModel:
    whole = partial(is_converted, facts=facts(model))
    return CachedModel(model.slug, model.title, whole, partial(_make, model))


def _make(model: PublishedModel, work: Path, folder: Path, report: Notify) -> None:
    # Beside the model's folder: what is downloaded outlives a run that is killed, and the next run goes on from there.
    gguf = _cached(model).path().with_name(f"{model.slug}.gguf.part")
    held = gguf.stat().st_size if gguf.exists() else 0
    check_memory(model.memory, model.title)
    check_room(work, model.disk + model.size - held + 3 * model.part_size)
    report(_announcement(model, held))
    join_parts(model, gguf, work, report)
    report(f"converting {model.title}, once: a minute or two")
    convert_gguf(gguf, folder, facts(model), dtype="bfloat16")
    gguf.unlink()


def _announcement(model: PublishedModel, held: int) -> str:
    here = f" ({held / 1e9:.1f} GB of it here already)" if held else ""
    return (
        f"downloading {model.title}, once: {model.size / 1e9:.1f} GB{here}, Apache-2.0 licence; "
        f"with the conversion it takes {(model.disk + model.size) / 1e9:.1f} GB of disk, of which "
        f"{model.disk / 1e9:.1f} GB stay, and {model.memory / 1e9:.1f} GB of memory"
    )
