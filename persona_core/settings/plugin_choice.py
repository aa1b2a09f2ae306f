"""PluginChoice: the installed packages that may be loaded, as the configuration or the environment says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from persona_core.base.files import read_text
from persona_core.base.records import read_yaml
from persona_core.errors import ConfigError
from persona_core.settings.workspace import Workspace

PLUGINS_VARIABLE = "PERSONA_STEER_PLUGINS"


@dataclass(frozen=True)
class PluginChoice:
    """The packages that may be loaded: those in `allowed`, or all if it is None, without those in `disabled`."""

    allowed: frozenset[str] | None = None
    disabled: frozenset[str] = frozenset()

    def refusal(self, package: str) -> str:
        """Return why a package must not be loaded; empty if it may."""
        name = canonical(package)
        if name in self.disabled:
            return "disabled"
        return "" if self.allowed is None or name in self.allowed else "not allowed"


def plugin_choice(workspace: Workspace) -> PluginChoice:
    """Return the choice in a workspace's configuration; `PERSONA_STEER_PLUGINS` replaces its `plugins.allowed`."""
    section = read_config_data(workspace.config_file).get("plugins") if workspace.exists else None
    if section is not None and not isinstance(section, dict):
        raise ConfigError(f"{workspace.config_file}: `plugins` takes the keys allowed and disabled")
    allowed = _names(workspace, section or {}, "allowed")
    named = os.environ.get(PLUGINS_VARIABLE)
    if named is not None:
        allowed = frozenset(canonical(name.strip()) for name in named.split(",") if name.strip())
    return PluginChoice(allowed, _names(workspace, section or {}, "disabled") or frozenset())


def canonical(package: str) -> str:
    """Return a package's name in the form in which installers compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def read_config_data(path: Path) -> dict[str, Any]:
    """Read the file's mapping of sections; raise a `ConfigError` with the line for broken YAML."""
    try:
        data = read_yaml(read_text(path))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected sections such as `model:`, found {type(data).__name__}")
    return data


def _names(workspace: Workspace, section: Mapping[str, Any], key: str) -> frozenset[str] | None:
    value = section.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{workspace.config_file}: plugins.{key} takes a list of packages, not {value!r}")
    return frozenset(map(canonical, value))
