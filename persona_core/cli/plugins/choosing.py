"""`plugins enable` and `plugins disable`: what the workspace's configuration lets in."""

from __future__ import annotations

import click

from persona_core.base.names import suggestion
from persona_core.cli.app import App, say
from persona_core.cli.config import NAMES_AN_OBJECT
from persona_core.errors import PluginError
from persona_core.settings.config import Config
from persona_core.settings.config_file import set_values, value_of
from persona_core.settings.installed import PluginManager
from persona_core.settings.plugin_choice import canonical

NEEDED_BY = {key: hook for key, (hook, _) in NAMES_AN_OBJECT.items()} | {"model.name": "register_models"}
"""Configuration key -> the hook that brings what it names."""


@click.command("disable")
@click.argument("name")
@click.pass_obj
def disable(app: App, name: str) -> None:
    """Keep a package's code from running, in this workspace; it stays installed.

    \b
    Example:
      persona-steer plugins disable persona-chat-stats
    """
    config, package = app.config(), known(app.plugins, name)
    for key in needing(config, app.plugins, package):
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
    config, package = app.config(), known(app.plugins, name)
    allowed, disabled = config.plugins.allowed, config.plugins.disabled
    changed: dict[str, object] = {"plugins.disabled": [each for each in disabled if not _same(each, package)]}
    if allowed is not None and not any(_same(each, package) for each in allowed):
        changed["plugins.allowed"] = [*allowed, canonical(package)]
    set_values(config.workspace, changed)
    click.echo(f"{package} is enabled")


def known(plugins: PluginManager, name: str) -> str:
    """Return the name of an installed plugin package; raise `PluginError` with the nearest where there is none."""
    for package in plugins.distributions:
        if _same(package, name):
            return package
    raise PluginError(f"no plugin package {name!r} is installed{suggestion(name, plugins.distributions)}")


def needing(config: Config, plugins: PluginManager, package: str) -> list[str]:
    """Return the keys of the configuration whose values a package brings."""
    brought = ((key, plugins.registry(hook).get(value_of(config, key))) for key, hook in NEEDED_BY.items())
    return [key for key, item in brought if item is not None and item.distribution == package]


def _same(one: str, other: str) -> bool:
    return canonical(one) == canonical(other)
