"""ModelSource: a model under an alias, and how to fetch it; ModelScheme: many models, chosen by an argument."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from persona_core.errors import ModelError, PluginError
from persona_core.settings.installed import PluginManager

Notify = Callable[[str], None]
"""Shows one line to the user."""


@dataclass(frozen=True)
class ModelSource:
    """A model that a plugin can provide under a short name.

    `fetch` takes a function that shows one line to the user, and returns a folder that transformers loads
    (config, safetensors, tokenizer); it downloads or converts at most once, and raises `ModelError` if it cannot.
    `slug` names the folder of this model's vectors. `recommended` maps configuration keys such as
    `extraction.target_layers` to the values that suit the model; they apply to keys that the user has not set.
    """

    name: str
    slug: str
    summary: str
    fetch: Callable[[Notify], Path]
    recommended: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelScheme:
    """A kind of model that a plugin can provide: `NAME:ARGUMENT`, such as `gguf:PATH`.

    `source` takes the argument and returns the model, whose `name` is the whole `NAME:ARGUMENT`; it raises `ModelError`
    for an argument that names no model. It runs at every start, so it should read little and leave the work to `fetch`.
    """

    name: str
    usage: str
    summary: str
    source: Callable[[str], ModelSource]


def model_source(name: str, plugins: PluginManager) -> ModelSource | None:
    """Return a package's model for an alias or `SCHEME:ARGUMENT`; None for a hub id, a folder or a file.

    Raises `ModelError` for a scheme without its argument.
    """
    scheme, _, argument = name.partition(":")
    if not argument and ("/" in name or Path(name).suffix == ".gguf" or Path(name).is_dir()):
        return None
    try:
        entry = plugins.find("register_models", scheme, "model")
    except PluginError:
        return None
    if isinstance(entry, ModelScheme):
        return _of_scheme(entry, argument)
    return entry if isinstance(entry, ModelSource) and scheme == name else None


def alias_note(name: str, plugins: PluginManager) -> str:
    """Return that a name is none that can be loaded: no package brings it, and it is no folder and no hub id."""
    if model_source(name, plugins) is not None or "/" in name or Path(name).expanduser().exists():
        return ""
    known = ", ".join(sorted(plugins.registry("register_models")))
    lacking = f"no installed package brings the model {name!r}, so it cannot be loaded until one does"
    return f"Note: {lacking}; there are {known}"


def _of_scheme(scheme: ModelScheme, argument: str) -> ModelSource:
    if not argument:
        raise ModelError(f"{scheme.name!r} alone names no model: write {scheme.usage}")
    return scheme.source(argument)


def model_slug(name: str, plugins: PluginManager) -> str:
    """Return the folder name of a model's vectors, without loading the model."""
    return slug_of(name, model_source(name, plugins))


def slug_of(name: str, source: ModelSource | None) -> str:
    """Return the folder name of the vectors of a model: that of its `source`, or one made from its own name."""
    if source is not None:
        return source.slug
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        return slug(path.stem)
    return slug(path.resolve().name if path.is_dir() else name)


def adapted_slug(model: str, adapter: str) -> str:
    """Return the folder name of the vectors of a model with an adapter: those of the bare model do not fit it."""
    return f"{model}-with-{slug(Path(adapter).expanduser().resolve().name)}" if adapter else model


def slug(name: str) -> str:
    """Return a name as a safe folder name: lower case, with `-` for every other character."""
    safe = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name.lower())
    return safe.strip(".-") or "model"
