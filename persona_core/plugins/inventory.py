"""Inventory: each plugin package with its version, what it registered, why it failed, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from persona_core.base.names import suggestion
from persona_core.errors import PluginError
from persona_core.plugins import hookspecs
from persona_core.plugins.record import PluginRecord, home, origin, publisher
from persona_core.settings.installed import BUILTIN, GROUP, PluginManager
from persona_core.settings.plugin_choice import canonical
from persona_core.settings.workspace import Workspace

HOOKS = tuple(name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec"))
FOLDERS = "register_vector_dirs"
NAMED_HOOKS = tuple(name for name in HOOKS if name.startswith("register_") and name != FOLDERS)
"""Hooks whose objects have names."""
TOLD_HOOKS = tuple(name for name in HOOKS if not name.startswith("register_"))
"""Hooks that register nothing and are notified."""


def inventory(plugins: PluginManager) -> list[dict[str, Any]]:
    """Return one row a package, sorted by name; packages that failed or are refused have one too."""
    registered = _registered(plugins)
    errors = _errors(plugins)
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


def check_names(plugins: PluginManager) -> None:
    """Raise `PluginError` where two packages register the same name for a hook."""
    for hook in NAMED_HOOKS:
        plugins.registry(hook)


def installed_package(plugins: PluginManager, name: str) -> str:
    """Return a plugin package's own spelling of its name; raise `PluginError` with the nearest one if none matches."""
    for package in plugins.distributions:
        if canonical(package) == canonical(name):
            return package
    raise PluginError(f"no plugin package {name!r} is installed{suggestion(name, plugins.distributions)}")


def about(plugins: PluginManager, package: str, workspace: Workspace) -> dict[str, Any]:
    """Return what is known of an installed package, by the words that `plugins show` prints."""
    distribution = plugins.distributions[package]
    row = next((row for row in inventory(plugins) if row["package"] == package), {})
    seen = PluginRecord(workspace).seen.get(package)
    return {
        "package": package,
        "version": distribution.version,
        "summary": distribution.metadata["Summary"] or "",
        "published by": publisher(distribution) or "it does not say",
        "home": home(distribution) or "it does not say",
        "installed from": origin(distribution),
        "first seen": seen.first_seen if seen else "not noted in this workspace",
        "modules": [point.value for point in distribution.entry_points if point.group == GROUP],
        "hooks": _hooks(plugins.hook_versions.get(package)),
        "registered": row.get("registered", {}),
        "status": plugins.refused.get(package) or (row.get("error") and f"FAILED: {row['error']}") or "loaded",
    }


def _registered(plugins: PluginManager) -> dict[str, dict[str, list[str]]]:
    """Return package -> hook -> names; a hook that is notified has none."""
    registered: dict[str, dict[str, list[str]]] = {name: {} for name, _, _ in plugins.packages()}
    for name, hook, distribution in _objects(plugins):
        registered[distribution].setdefault(hook, []).append(name)
    for hook in TOLD_HOOKS:
        for distribution, _ in plugins.implementations(hook):
            registered[distribution][hook] = []
    return registered


def _objects(plugins: PluginManager) -> Iterator[tuple[str, str, str]]:
    """Yield (name, hook, distribution) of every registered object, sorted by name within a hook."""
    for hook in NAMED_HOOKS:
        named = ((name, hook, registered.distribution) for name, registered in plugins.named(hook))
        yield from sorted(named)
    yield from ((str(folder.value), FOLDERS, folder.distribution) for folder in plugins.returned(FOLDERS))


def _errors(plugins: PluginManager) -> dict[str, str]:
    """Return package -> its failures in one line; call after `_registered`, which calls hooks that may fail."""
    errors: dict[str, str] = {}
    for failure in plugins.failures:
        line = f"{failure.where}: {failure.error}"
        errors[failure.distribution] = "; ".join(filter(None, (errors.get(failure.distribution), line)))
    return errors


def _hooks(version: int | None) -> str:
    if version is None:
        return "not loaded"
    since = "; ".join(hookspecs.CHANGES[later] for later in range(version + 1, hookspecs.HOOK_VERSION + 1))
    return f"written for version {version}" + (f" of {hookspecs.HOOK_VERSION}; since then: {since}" if since else "")
