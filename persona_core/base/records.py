"""Record: the base of everything that is validated; and YAML read with the library's C parser."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen pydantic model. Its validator is built when it is first used, so that importing many costs little."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), defer_build=True)


def read_yaml(text: str) -> Any:
    """Return what safe YAML says; raise `yaml.YAMLError` with line and column."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
