"""The listing that `persona-steer plugins` prints: each package, what it registered, and why it failed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from persona_core.plugins.inventory import check_names, inventory
from persona_core.settings.installed import PluginManager


def show_all(plugins: PluginManager, as_json: bool) -> None:
    """Print one entry a package; raise `PluginError`, once all are printed, where two register the same name."""
    rows = inventory(plugins)
    click.echo(json.dumps(rows, indent=2) if as_json else "\n".join(map(_text, rows)))
    check_names(plugins)


def registered_lines(registered: Mapping[str, Sequence[str]]) -> list[str]:
    """Return one line a hook, with the names that it registered; a hook that is notified stands alone."""
    return [f"  {hook}: {', '.join(names)}" if names else f"  {hook}" for hook, names in registered.items()]


def _text(row: dict[str, Any]) -> str:
    state = f"  FAILED: {row['error']}" if row["error"] else f"  {row['refused']}" if row["refused"] else ""
    head = f"{row['package']} {row['version']}{state}"
    return "\n".join([head, *registered_lines(row["registered"])])
