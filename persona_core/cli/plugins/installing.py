"""`persona-steer plugins install` and `uninstall`: runs pip in the environment of persona-steer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import click

from persona_core.cli.app import App, say
from persona_core.cli.plugins.listing import registered_lines
from persona_core.errors import PluginError
from persona_core.plugins.configured import keys_that_need
from persona_core.plugins.inventory import about, installed_package
from persona_core.plugins.loading import load_plugins
from persona_core.settings.plugin_choice import plugin_choice

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.command("install")
@click.argument("packages", nargs=-1, required=True)
@click.option("-e", "--editable", is_flag=True, help="Install folders so that changes to their code are seen at once.")
@click.option("-U", "--upgrade", is_flag=True, help="Upgrade what is installed already.")
@yes_option
@click.pass_obj
def install(app: App, packages: Sequence[str], editable: bool, upgrade: bool, yes: bool) -> None:
    """Install packages with pip, into the environment that persona-steer runs in, and show what they bring.

    A plugin's code runs with all of your rights at every start: install what you trust.

    \b
    Example:
      persona-steer plugins install persona-capping-guard
      persona-steer plugins install -e ./my-pack
    """
    before = {name: distribution.version for name, distribution in app.plugins.distributions.items()}
    _agree(f"Install {', '.join(packages)}? Its code runs with all of your rights", yes)
    options = [*(["--upgrade"] if upgrade else []), *(["--editable"] if editable else [])]
    _pip("install", *(word for package in packages for word in (*options, package)))
    workspace = app.config().workspace
    plugins = load_plugins(choice=plugin_choice(workspace))
    new = [name for name, installed in plugins.distributions.items() if before.get(name) != installed.version]
    for name in new:
        facts = about(plugins, name, workspace)
        click.echo(f"{name} {facts['version']}: {facts['status']}")
        for line in registered_lines(facts["registered"]):
            click.echo(line)
    if not new:
        say("Note: no new plugin package came of it: what was installed registers nothing, or was there before")


@click.command("uninstall")
@click.argument("name")
@yes_option
@click.pass_obj
def uninstall(app: App, name: str, yes: bool) -> None:
    """Uninstall a plugin package with pip. Vectors, archetypes and settings of the workspace stay.

    \b
    Example:
      persona-steer plugins uninstall persona-chat-stats
    """
    package = installed_package(app.plugins, name)
    for key in keys_that_need(app.config(), app.plugins, package):
        say(f"Note: {key} needs {package}: until you change it, what asks for it is refused")
    _agree(f"Uninstall {package}?", yes)
    _pip("uninstall", "--yes", package)
    click.echo(f"{package} is uninstalled")


def _agree(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise PluginError(f"{question.rstrip('?')}: nobody is there to answer; add --yes")
    click.confirm(question, abort=True)


def _pip(*words: str) -> None:
    """Run pip with its output on the terminal; raise `PluginError` where it fails."""
    done = subprocess.run([sys.executable, "-m", "pip", *words], check=False)
    if done.returncode:
        raise PluginError(f"pip {words[0]} failed; what it said stands above")
