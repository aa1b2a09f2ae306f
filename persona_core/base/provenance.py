"""Provenance: when, with which tools and on which machine vectors and figures were made."""

import datetime
import os
import platform
from importlib.metadata import version
from typing import Any

TOOLS = ("persona-core", "torch", "transformers", "nnsight")
"""The distributions whose versions may change a figure."""


def provenance(seed: int) -> dict[str, Any]:
    """Return the fields that headers and reports share: `created` (UTC), `versions` of the tools, and `seed`."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return {"created": now.isoformat(), "versions": {tool: version(tool) for tool in TOOLS}, "seed": seed}


def describe_machine(device: str, dtype: str) -> str:
    """Describe in one line the machine that figures are measured on."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {device}, {dtype}, Python {platform.python_version()}"
