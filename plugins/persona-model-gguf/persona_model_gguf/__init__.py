"""GGUF files as models: `--model gguf:PATH`, converted once and kept in the cache.

`header` says what a file holds and whether it can be steered, and `cache` makes it a folder that transformers loads.
Both are imported when the folder is asked for.
"""

from functools import partial
from pathlib import Path

from persona_core import ModelScheme, ModelSource, Notify, hookimpl


def source(argument: str) -> ModelSource:
    """Return the model of one file; nothing of it is read yet."""
    from persona_core import slug

    path = Path(argument).expanduser()
    return ModelSource(f"gguf:{argument}", slug(path.stem), f"the GGUF file {path}", partial(_fetch, path))


def _fetch(path: Path, report: Notify) -> Path:
    from persona_model_gguf import cache

    return cache.fetch(path, report)


@hookimpl
def register_models() -> list[ModelScheme]:
    """Return the scheme `gguf`."""
    return [ModelScheme("gguf", "gguf:PATH", "a GGUF file on this disk, converted once", source)]
