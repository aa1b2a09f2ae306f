"""ModelSource: an alias, and how to get its weights into a local folder; ModelScheme: many of them, by an argument."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Report = Callable[[str], None]


@dataclass(frozen=True)
class ModelSource:
    """A model that a plugin can provide under a short name.

    `fetch` takes a function that shows one line to the user, and returns a folder that transformers loads
    (config, safetensors, tokenizer); it downloads or converts at most once and raises `ModelError` where it cannot.
    `slug` names the folder of this model's vectors. `recommended` maps configuration keys such as
    `extraction.target_layers` to the values that suit the model; they apply where the user has set none.
    """

    name: str
    slug: str
    summary: str
    fetch: Callable[[Report], Path]
    recommended: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelScheme:
    """A kind of model that a plugin can provide: `NAME:ARGUMENT`, such as `gguf:PATH`.

    `source` takes the argument and returns the model, whose `name` is the whole `NAME:ARGUMENT`; it raises `ModelError`
    for an argument that can be none. It is called at every start, so it reads little and leaves the work to `fetch`.
    """

    name: str
    usage: str
    summary: str
    source: Callable[[str], ModelSource]
