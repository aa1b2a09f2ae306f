"""Configuration keys that name what a package brings, and what setting one of them entails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from persona_core.errors import ModelError
from persona_core.settings.config import Config, build_config
from persona_core.settings.config_file import set_value, set_values, value_of
from persona_core.settings.installed import PluginManager
from persona_core.settings.model_source import model_source
from persona_core.settings.plugin_choice import read_config_data
from persona_core.settings.workspace import Workspace

NAMES_AN_OBJECT = {
    "steering.blending": ("register_blending_strategies", "blending strategy"),
    "steering.capping_policy": ("register_capping_policies", "capping policy"),
}
"""Key -> the hook that brings what it names, and the word for it; it takes only names that are installed."""
_HOOKS = {key: hook for key, (hook, _) in NAMES_AN_OBJECT.items()} | {"model.name": "register_models"}


@dataclass(frozen=True)
class SetKey:
    """What setting one key did: its value, and the keys that were set with it because another model was chosen.

    `recommended` is what the package of the new model recommends. `restored` are the defaults of keys that held what
    the package of the model before recommended.
    """

    value: object
    recommended: Mapping[str, object] = field(default_factory=dict)
    restored: Mapping[str, object] = field(default_factory=dict)


def set_key(workspace: Workspace, plugins: PluginManager, key: str, text: str) -> SetKey:
    """Set one key in the workspace's file, and with `model.name` what belongs to a model.

    A name that no package brings raises before anything is written: `PluginError` names the nearest one, `ModelError`
    says what it lacks.
    """
    if key in NAMES_AN_OBJECT:
        hook, kind = NAMES_AN_OBJECT[key]
        plugins.find(hook, text, kind)
    if key != "model.name":
        return SetKey(value_of(set_value(workspace, key, text), key))
    source, before = model_source(text, plugins), _as_recommended(workspace, plugins)
    config = set_value(workspace, key, text)
    recommended = source.recommended if source is not None else {}
    defaults = build_config({}, workspace)
    restored = {name: value_of(defaults, name) for name in before if name not in recommended}
    if also := {**restored, **recommended}:
        set_values(workspace, also)
    return SetKey(value_of(config, key), recommended, restored)


def _as_recommended(workspace: Workspace, plugins: PluginManager) -> list[str]:
    """Return the keys of the file that hold what the package of its model recommends."""
    config = build_config(read_config_data(workspace.config_file) if workspace.exists else {}, workspace)
    try:
        source = model_source(config.model.name, plugins)
    except ModelError:
        return []
    recommended = source.recommended if source is not None else {}
    return [key for key, value in recommended.items() if value_of(config, key) == value]


def keys_that_need(config: Config, plugins: PluginManager, package: str) -> list[str]:
    """Return the keys of the configuration whose values a package brings."""
    objects = {key: plugins.registry(hook).get(value_of(config, key)) for key, hook in _HOOKS.items()}
    return [key for key, registered in objects.items() if registered is not None and registered.distribution == package]
