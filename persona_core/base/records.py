"""Records: the base class of validated data, fast YAML reading, validation errors in one line, and short digests."""

from __future__ import annotations

import hashlib
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError


class Record(BaseModel):
    """A frozen pydantic model. pydantic builds its validator on first use, so importing many records is cheap."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), defer_build=True)


def read_yaml(text: str) -> Any:
    """Parse safe YAML with the C parser; raise `yaml.YAMLError` with line and column."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def first_problem(error: Exception) -> str:
    """Return the first problem of a YAML or pydantic error as one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        location = ".".join(str(key) for key in first["loc"]) or "the document"
        return f"{location}: {first['msg']}"
    return " ".join(str(error).split())


def digest(data: str | bytes, length: int = 16) -> str:
    """Return the first `length` hexadecimal digits of the sha256 of text or bytes."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:length]
