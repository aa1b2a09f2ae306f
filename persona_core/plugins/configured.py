"""Configuration keys that name what a package brings, and what setting one of them entails."""

from __future__ import annotations

from collections.abc import Mapping

from persona_core.settings.config import Config
from persona_core.settings.config_file import set_value, set_values, value_of
from persona_core.settings.installed import PluginManager
from persona_core.settings.model_source import model_source
from persona_core.settings.workspace import Workspace

NAMES_AN_OBJECT = {
    "steering.blending": ("register_blending_strategies", "blending strategy"),
    "steering.capping_policy": ("register_capping_policies", "capping policy"),
}
"""Key -> the hook that brings what it names, and the word for it; it takes only names that are installed."""
_HOOKS = {key: hook for key, (hook, _) in NAMES_AN_OBJECT.items()} | {"model.name": "register_models"}


def set_key(workspace: Workspace, plugins: PluginManager, key: str, text: str) -> tuple[object, Mapping[str, object]]:
    """Set one key in the workspace's file; return its value, and the keys that were set with it.

    Those are what the package of a model recommends when `model.name` is set to its alias. A name that no package
    brings raises before anything is written: `PluginError` names the nearest one, `ModelError` says what it lacks.
    """
    if key in NAMES_AN_OBJECT:
        hook, kind = NAMES_AN_OBJECT[key]
        plugins.find(hook, text, kind)
    if key == "model.name":
        model_source(text, plugins)
    config = set_value(workspace, key, text)
    source = model_source(config.model.name, plugins) if key == "model.name" else None
    recommended = source.recommended if source is not None else {}
    if recommended:
        set_values(workspace, recommended)
    return value_of(config, key), recommended


def keys_that_need(config: Config, plugins: PluginManager, package: str) -> list[str]:
    """Return the keys of the configuration whose values a package brings."""
    objects = {key: plugins.registry(hook).get(value_of(config, key)) for key, hook in _HOOKS.items()}
    return [key for key, registered in objects.items() if registered is not None and registered.distribution == package]
