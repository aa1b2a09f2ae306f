"""Qwen2.5-Coder as the model aliases `qwen-coder-1.5b` and `qwen-coder-0.5b`: no model hub is needed.

`published` says what was published where, `parts` joins it to a GGUF file, and `cache` makes that a folder which
transformers loads. The last two are imported when a folder is asked for.
"""

from functools import partial
from pathlib import Path

from persona_core import ModelSource, Notify, hookimpl
from persona_model_qwen_coder.published import LARGE, SMALL, PublishedModel

RECOMMENDED: dict[str, object] = {
    "extraction.max_new_tokens": 48,
    "extraction.batch_size": 25,
}


@hookimpl
def register_models() -> list[ModelSource]:
    """Return both aliases of this package."""
    return [_source(LARGE), _source(SMALL)]


@hookimpl
def register_vector_dirs() -> list[Path]:
    """Return the folder with the axes and the baseline of the larger model; no persona is made for it yet."""
    return [Path(__file__).parent / "vectors"]


def _source(model: PublishedModel) -> ModelSource:
    summary = f"{model.title}: {model.n_layers} layers, a CPU, a {model.size / 1e9:.1f} GB download on first use"
    return ModelSource(model.alias, model.slug, summary, partial(_fetch, model), RECOMMENDED)


def _fetch(model: PublishedModel, report: Notify) -> Path:
    from persona_model_qwen_coder import cache

    return cache.fetch(model, report)
