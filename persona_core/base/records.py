"""Record, the base of everything that is validated; YAML read with the library's C parser; short digests."""

from __future__ import annotations

import hashlib
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError


class Record(BaseModel):
    """A frozen pydantic model. Its validator is built when it is first used, so that importing many costs little."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), defer_build=True)


def read_yaml(text: str) -> Any:
    """Return what safe YAML says; raise `yaml.YAMLError` with line and column."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def first_problem(error: Exception) -> str:
    """Say in one line what a YAML or pydantic error is about."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        return f"{where}: {first['msg']}"
    return " ".join(str(error).split())


def digest(data: str | bytes, length: int = 16) -> str:
    """Return the first `length` hexadecimal digits of the sha256 of text or bytes."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:length]
