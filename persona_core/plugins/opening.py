"""Opening: reads the workspace's configuration with the installed packages and what the model's package recommends."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persona_core.plugins.loading import load_plugins
from persona_core.settings.config import Config, build_config
from persona_core.settings.installed import PluginManager
from persona_core.settings.plugin_choice import plugin_choice, read_config_data
from persona_core.settings.workspace import Workspace, find_workspace


def get_config(
    workspace: Path | Workspace | None = None,
    *,
    model: str | None = None,
    plugins: PluginManager | None = None,
) -> Config:
    """Read the workspace's `config.yaml` (defaults where there is none); `model` replaces the model that it names.

    Values that the model's package recommends apply to the keys that the file does not set; where `model` names another
    model than the file, they apply to all keys.
    """
    workspace = workspace if isinstance(workspace, Workspace) else find_workspace(workspace)
    data = read_config_data(workspace.config_file) if workspace.exists else {}
    config = build_config(data, workspace).opened_with(plugins or load_plugins(choice=plugin_choice(workspace)))
    if model is None or model == config.model.name:
        return _recommended(config, over=data)
    return _recommended(config.replace({"model.name": model}), over={})


def _recommended(config: Config, over: Mapping[str, Any]) -> Config:
    """Return the configuration with what the model's package recommends, except for keys that `over` sets."""
    if config.source is None:
        return config
    unset = {key: value for key, value in config.source.recommended.items() if not _is_set(over, key)}
    return config.replace(unset) if unset else config


def _is_set(data: Mapping[str, Any], key: str) -> bool:
    section, _, name = key.partition(".")
    return name in (data.get(section) or {})
