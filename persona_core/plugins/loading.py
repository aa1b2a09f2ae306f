"""Loading: finds the installed plugin packages and loads them one by one; a broken one stops nothing."""

from collections.abc import Callable, Iterable
from importlib.metadata import Distribution, EntryPoint, distributions

import pluggy

from persona_core.errors import PluginError
from persona_core.plugins import built_in, hookspecs
from persona_core.settings.installed import BUILTIN, GROUP, PluginManager
from persona_core.settings.plugin_choice import PluginChoice, plugin_choice
from persona_core.settings.workspace import find_workspace


def load_plugins(
    installed: Iterable[Distribution] | None = None,
    *,
    choice: PluginChoice | None = None,
    announce: Callable[[Distribution], None] = lambda distribution: None,
) -> PluginManager:
    """Load the built-in plugin and every installed one; a package that cannot be loaded is recorded in `failures`.

    `installed` replaces the distributions of this environment, `choice` what the workspace's configuration allows.
    `announce` is called with each package before any of its code runs.
    """
    manager = PluginManager(pluggy.PluginManager(hookspecs.PROJECT))
    manager.pluggy.add_hookspecs(hookspecs)
    manager.pluggy.register(built_in, name=BUILTIN)
    choice = plugin_choice(find_workspace()) if choice is None else choice
    for distribution, entry_point in _entry_points(manager, distributions() if installed is None else installed):
        name = _name(distribution)
        first = name not in manager.distributions
        manager.distributions[name] = distribution
        if reason := choice.refusal(name):
            manager.refused[name] = reason
            continue
        if first:
            announce(distribution)
        _load(manager, name, entry_point)
    return manager


def _entry_points(manager: PluginManager, installed: Iterable[Distribution]) -> list[tuple[Distribution, EntryPoint]]:
    """Return every entry point for plugins, sorted by package; of a package that is there twice, the first."""
    pairs = [(distribution, point) for distribution in installed for point in _declared(manager, distribution)]
    unique = {(_name(distribution), point.name): (distribution, point) for distribution, point in reversed(pairs)}
    return [unique[key] for key in sorted(unique)]


def _declared(manager: PluginManager, distribution: Distribution) -> list[EntryPoint]:
    try:
        return [entry_point for entry_point in distribution.entry_points if entry_point.group == GROUP]
    except Exception as error:
        if GROUP in (distribution.read_text("entry_points.txt") or ""):
            manager.keep(_name(distribution), "entry_points.txt", error)
        return []


def _name(distribution: Distribution) -> str:
    return distribution.metadata["Name"] or "unnamed"


def _load(manager: PluginManager, name: str, entry_point: EntryPoint) -> None:
    label = f"{name}:{entry_point.name}"
    try:
        module = entry_point.load()
        manager.hook_versions[name] = written_for(module)
        manager.pluggy.register(module, name=label)
        manager.pluggy.check_pending()
    except (Exception, SystemExit) as error:
        if manager.pluggy.has_plugin(label):
            manager.pluggy.unregister(name=label)
        manager.keep(name, entry_point.name, error)


def written_for(module: object) -> int:
    """Return the version of the hooks that a plugin's module declares, 1 where it declares none.

    Raises `PluginError` where that is no version, or is newer than `HOOK_VERSION`.
    """
    version = getattr(module, "HOOK_VERSION", 1)
    if type(version) is not int or version < 1:
        raise PluginError(f"HOOK_VERSION is {version!r}: write the whole number that docs/hooks.md gives")
    if version > hookspecs.HOOK_VERSION:
        raise PluginError(
            f"it was written for version {version} of the hooks, and this persona-core has {hookspecs.HOOK_VERSION}: "
            "run `python -m pip install --upgrade persona-core`, or install an older version of the package"
        )
    return version
