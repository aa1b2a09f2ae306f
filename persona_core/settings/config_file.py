"""The configuration file: write it with comments, and change its keys without losing the user's comments."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from persona_core.base.files import read_text, write_atomically
from persona_core.base.records import read_yaml
from persona_core.errors import ConfigError
from persona_core.settings.config import Config, build_config, keys, split_key
from persona_core.settings.plugin_choice import read_config_data
from persona_core.settings.workspace import MARK, Workspace


def template(config: Config) -> str:
    """Return a configuration as YAML with a comment above every key."""
    lines = [f"{MARK}: see `persona-steer config --help`; every key may be left out"]
    section = ""
    for key, description in keys().items():
        key_section, _, name = key.partition(".")
        if key_section != section:
            lines += ["", f"{key_section}:"]
            section = key_section
        lines += [f"  # {description}", f"  {name}: {_inline(value_of(config, key))}"]
    return "\n".join(lines) + "\n"


def value_of(config: Config, key: str) -> Any:
    """Return the value of a dotted key; raise a `ConfigError` with the nearest key for an unknown one."""
    section, name = split_key(key)
    value = getattr(getattr(config, section), name)
    return list(value) if isinstance(value, tuple) else value


def set_value(workspace: Workspace, key: str, text: str) -> Config:
    """Set one key in the workspace's file after validation; comments and order stay as they are."""
    return set_values(workspace, {key: _parse(key, text)})


def set_values(workspace: Workspace, values: Mapping[str, Any]) -> Config:
    """Set several keys at once; if one is wrong, set none and raise `ConfigError`."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.preserve_quotes = True
    path = workspace.config_file
    if path.is_file():
        read_config_data(path)  # says what is wrong with a broken file
    document = (editor.load(read_text(path)) if path.is_file() else None) or editor.map()
    for key, value in values.items():
        section, name = split_key(key)
        if document.get(section) is None:
            document[section] = editor.map()
        document[section][name] = value
    config = build_config(_plain(document), workspace)
    _write(path, editor, document)
    return config


def _write(path: Path, editor: Any, document: Any) -> None:
    stream = io.StringIO()
    editor.dump(document, stream)
    text = stream.getvalue()
    write_atomically(path, text if text.startswith(MARK) else f"{MARK}\n{text}")


def _plain(document: Any) -> dict[str, Any]:
    return {section: dict(values) if isinstance(values, Mapping) else values for section, values in document.items()}


def _parse(key: str, text: str) -> Any:
    try:
        return read_yaml(text) if text else ""
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{key} = {text!r}: not a YAML value") from error


def _inline(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]
