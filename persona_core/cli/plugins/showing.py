"""`persona-steer plugins show`: everything that is known of one package."""

from __future__ import annotations

import json
from typing import Any

import click

from persona_core.cli.app import App, json_option
from persona_core.cli.plugins.listing import registered_lines
from persona_core.plugins.inventory import about, installed_package


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
    facts = about(app.plugins, installed_package(app.plugins, name), app.config().workspace)
    click.echo(json.dumps(facts, indent=2) if as_json else "\n".join(_lines(facts)))


def _lines(facts: dict[str, Any]) -> list[str]:
    plain = {key: value for key, value in facts.items() if key not in ("registered", "package", "version")}
    shown = {key: ", ".join(value) if isinstance(value, list) else value for key, value in plain.items()}
    return [
        f"{facts['package']} {facts['version']}",
        *(f"  {key + ':':16}{value}" for key, value in shown.items()),
        *registered_lines(facts["registered"]),
    ]
