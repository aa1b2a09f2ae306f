"""`persona-steer plugins enable` and `disable`: which packages the workspace's configuration lets in."""

from __future__ import annotations

import click

from persona_core.cli.app import App, say
from persona_core.plugins.configured import keys_that_need
from persona_core.plugins.inventory import installed_package
from persona_core.settings.config_file import set_values
from persona_core.settings.plugin_choice import canonical


@click.command("disable")
@click.argument("name")
@click.pass_obj
def disable(app: App, name: str) -> None:
    """Keep a package's code from running, in this workspace; it stays installed.

    \b
    Example:
      persona-steer plugins disable persona-chat-stats
    """
    config, package = app.config(), installed_package(app.plugins, name)
    for key in keys_that_need(config, app.plugins, package):
        say(f"Note: {key} needs {package}: until you change it, what asks for it is refused")
    disabled = {*map(canonical, config.plugins.disabled), canonical(package)}
    set_values(config.workspace, {"plugins.disabled": sorted(disabled)})
    click.echo(f"{package} is disabled; `persona-steer plugins enable {package}` lets it in again")


@click.command("enable")
@click.argument("name")
@click.pass_obj
def enable(app: App, name: str) -> None:
    """Let a package in that was disabled, or that the list of allowed packages leaves out.

    \b
    Example:
      persona-steer plugins enable persona-chat-stats
    """
    config, package = app.config(), installed_package(app.plugins, name)
    allowed, disabled = config.plugins.allowed, config.plugins.disabled
    changed: dict[str, object] = {"plugins.disabled": [name for name in disabled if not _same(name, package)]}
    if allowed is not None and not any(_same(name, package) for name in allowed):
        changed["plugins.allowed"] = [*allowed, canonical(package)]
    set_values(config.workspace, changed)
    click.echo(f"{package} is enabled")


def _same(one: str, other: str) -> bool:
    return canonical(one) == canonical(other)
