"""`plugins show`: everything about one package."""

from __future__ import annotations

import json
from importlib.metadata import Distribution
from typing import Any

import click

from persona_core.cli.app import App, json_option
from persona_core.cli.plugins.choosing import known
from persona_core.cli.plugins.listing import brought, packages
from persona_core.plugins.hookspecs import CHANGES, HOOK_VERSION
from persona_core.plugins.record import PluginRecord, home, origin, publisher
from persona_core.settings.installed import GROUP, PluginManager
from persona_core.settings.workspace import Workspace


@click.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def show(app: App, name: str, as_json: bool) -> None:
    """Show a package: version, publisher, origin, when it was first seen, what it brings, or why it is not loaded.

    What it says of its publisher is what the package says of itself; nobody has checked it.

    \b
    Example:
      persona-steer plugins show persona-chat-stats
    """
    facts = about(app.plugins, known(app.plugins, name), app.config().workspace)
    click.echo(json.dumps(facts, indent=2) if as_json else "\n".join(_lines(facts)))


def about(plugins: PluginManager, package: str, workspace: Workspace) -> dict[str, Any]:
    """Return what is known of an installed package."""
    distribution = plugins.distributions[package]
    (row,) = [row for row in packages(plugins) if row["package"] == package] or [{}]
    seen = PluginRecord(workspace).seen.get(package)
    return {
        "package": package,
        "version": distribution.version,
        "summary": distribution.metadata["Summary"] or "",
        "published by": publisher(distribution) or "it does not say",
        "home": home(distribution) or "it does not say",
        "installed from": origin(distribution),
        "first seen": seen.first_seen if seen else "not noted in this workspace",
        "modules": [point.value for point in _entry_points(distribution)],
        "hooks": _hooks(plugins.hook_versions.get(package)),
        "registered": row.get("registered", {}),
        "status": plugins.refused.get(package) or (row.get("error") and f"FAILED: {row['error']}") or "loaded",
    }


def _entry_points(distribution: Distribution) -> list[Any]:
    return [point for point in distribution.entry_points if point.group == GROUP]


def _hooks(version: int | None) -> str:
    if version is None:
        return "not loaded"
    since = "; ".join(CHANGES[later] for later in range(version + 1, HOOK_VERSION + 1))
    return f"written for version {version}" + (f" of {HOOK_VERSION}; since then: {since}" if since else "")


def _lines(facts: dict[str, Any]) -> list[str]:
    plain = {key: value for key, value in facts.items() if key not in ("registered", "package", "version")}
    shown = {key: ", ".join(value) if isinstance(value, list) else value for key, value in plain.items()}
    return [
        f"{facts['package']} {facts['version']}",
        *(f"  {key + ':':16}{value}" for key, value in shown.items()),
        *brought(facts["registered"]),
    ]
