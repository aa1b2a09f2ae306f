"""`persona-steer plugins`: what is installed, and what failed."""

import json
from typing import Any

import click

from persona_core import __version__
from persona_core.cli.app import App, json_option
from persona_core.plugins import BUILTIN, PluginManager

NAMED_HOOKS = (
    "register_archetypes", "register_dataset_generators", "register_blending_strategies",
    "register_capping_policies", "register_models", "register_judges", "register_prompt_sets",
)  # fmt: skip


@click.command("plugins")
@json_option
@click.pass_obj
def command(app: App, as_json: bool) -> None:
    """List plugin packages: version, hooks, what they registered, or the error they failed with.

    \b
    Example:
      persona-steer plugins --json
    """
    rows = packages(app.plugins)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['package']} {row['version']}" + (f"  FAILED: {row['error']}" if row["error"] else ""))
        for hook, names in row["registered"].items():
            click.echo(f"  {hook}: {', '.join(names)}")


def packages(plugins: PluginManager) -> list[dict[str, Any]]:
    """Return one row a package, failed ones included."""
    registered: dict[str, dict[str, list[str]]] = {name: {} for name, _, _ in plugins.packages()}
    for hook in NAMED_HOOKS:
        for name, item in plugins.registry(hook).items():
            registered[item.distribution].setdefault(hook, []).append(name)
    errors = {failure.distribution: failure.error for failure in plugins.failures}
    return [
        {
            "package": name,
            "version": __version__ if name == BUILTIN else plugins.versions.get(name, ""),
            "hooks": sorted(registered.get(name, {})),
            "registered": registered.get(name, {}),
            "error": errors.get(name),
        }
        for name in sorted({*registered, *errors})
    ]
