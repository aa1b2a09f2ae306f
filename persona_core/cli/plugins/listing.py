"""What is installed, what it registered, and what failed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import click

from persona_core.settings.installed import BUILTIN, PluginManager

FOLDERS = "register_vector_dirs"
NAMED_HOOKS = (
    "register_archetypes", "register_dataset_generators", "register_blending_strategies",
    "register_capping_policies", "register_models", "register_judges", "register_prompt_sets",
    "register_chat_commands",
)  # fmt: skip

TOLD_HOOKS = ("before_turn", "after_turn")


def show_all(plugins: PluginManager, as_json: bool) -> None:
    """Print one entry a package; raise where two packages register the same name, once all are printed."""
    rows = packages(plugins)
    click.echo(json.dumps(rows, indent=2) if as_json else "\n".join(map(_text, rows)))
    for hook in NAMED_HOOKS:
        plugins.registry(hook)


def _text(row: dict[str, Any]) -> str:
    state = f"  FAILED: {row['error']}" if row["error"] else f"  {row['refused']}" if row["refused"] else ""
    head = f"{row['package']} {row['version']}{state}"
    return "\n".join([head, *brought(row["registered"])])


def brought(registered: Mapping[str, Sequence[str]]) -> list[str]:
    """Return one line a hook, with what it registered; a hook that is told something stands alone."""
    return [f"  {hook}: {', '.join(names)}" if names else f"  {hook}" for hook, names in registered.items()]


def packages(plugins: PluginManager) -> list[dict[str, Any]]:
    """Return one row a package, failed ones included."""
    registered: dict[str, dict[str, list[str]]] = {name: {} for name, _, _ in plugins.packages()}
    for name, hook, distribution in _found(plugins):
        registered[distribution].setdefault(hook, []).append(name)
    for hook in TOLD_HOOKS:
        for distribution, _ in plugins.implementations(hook):
            registered[distribution][hook] = []
    errors: dict[str, str] = {}
    for failure in plugins.failures:
        told = f"{failure.where}: {failure.error}"
        errors[failure.distribution] = "; ".join(filter(None, (errors.get(failure.distribution), told)))
    return [
        {
            "package": name,
            "version": version(BUILTIN) if name == BUILTIN else plugins.version(name),
            "hooks": sorted(registered.get(name, {})),
            "registered": registered.get(name, {}),
            "error": errors.get(name),
            "refused": plugins.refused.get(name),
        }
        for name in sorted({*registered, *errors, *plugins.refused})
    ]


def _found(plugins: PluginManager) -> Iterator[tuple[str, str, str]]:
    """Yield (name, hook, distribution) of everything that is registered, sorted within a hook."""
    for hook in NAMED_HOOKS:
        named = ((name, hook, item.distribution) for name, item in plugins.named(hook))
        yield from sorted(named)
    yield from ((str(item.value), FOLDERS, item.distribution) for item in plugins.returned(FOLDERS))
