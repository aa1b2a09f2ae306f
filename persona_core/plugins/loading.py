"""Find installed plugins, load them one by one, keep what failed, and list what they registered."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, Protocol

import pluggy

from persona_core.base.names import check_name, suggestion
from persona_core.errors import PersonaError, PluginError
from persona_core.plugins import hookspecs
from persona_core.settings.plugin_choice import PluginChoice, plugin_choice
from persona_core.settings.workspace import find_workspace

GROUP = "persona_core"
BUILTIN = "persona-core"


class Named(Protocol):
    """What every registered object has."""

    @property
    def name(self) -> str:
        """The name that users type."""
        ...


@dataclass(frozen=True)
class LoadFailure:
    """A plugin that could not be loaded, or a hook that failed when it was called, and why, in one line."""

    distribution: str
    where: str
    error: str


@dataclass(frozen=True)
class Registered:
    """An object with the distribution that brought it."""

    value: Any
    distribution: str


@dataclass
class PluginManager:
    """The loaded plugins: pluggy's manager, where each came from, the failures, and who is told of them."""

    pluggy: pluggy.PluginManager
    failures: list[LoadFailure] = field(default_factory=list)
    distributions: dict[str, Distribution] = field(default_factory=dict)
    """Every package that has an entry point for plugins, loaded or not."""
    refused: dict[str, str] = field(default_factory=dict)
    """Package -> why it is not loaded: disabled, or not allowed."""
    hook_versions: dict[str, int] = field(default_factory=dict)
    """Package -> the version of the hooks that it was written for."""
    cache: dict[str, dict[str, Registered]] = field(default_factory=dict)
    report: Callable[[LoadFailure], None] = lambda failure: None

    def on_failure(self, report: Callable[[LoadFailure], None]) -> None:
        """Report the first failure of each distribution: now, or when a hook of it is first called and fails."""
        self.report = report
        for failure in {failure.distribution: failure for failure in reversed(self.failures)}.values():
            report(failure)

    def registry(self, hook: str) -> dict[str, Registered]:
        """Return name -> object for a hook, sorted by name; raise `PluginError` where two share a name."""
        if hook not in self.cache:
            self.cache[hook] = _registry(self.named(hook))
        return self.cache[hook]

    def find(self, hook: str, name: str, kind: str) -> Any:
        """Return the object called `name`; raise `PluginError` with the nearest name and any failed packages."""
        return self.item(hook, name, kind).value

    def item(self, hook: str, name: str, kind: str) -> Registered:
        """Return the object called `name` with its package; raise as `find` does."""
        registry = self.registry(hook)
        if name not in registry:
            raise PluginError(f"no {kind} named {name!r}{suggestion(name, registry)}{self._failed()}")
        return registry[name]

    def values(self, hook: str) -> list[Any]:
        """Return what a hook's plugins returned, one by one, for objects that carry no name."""
        return [item.value for item in self.returned(hook)]

    def named(self, hook: str) -> Iterator[tuple[str, Registered]]:
        """Yield what a hook's plugins returned with its name; what has no usable one is a failure."""
        for item in self.returned(hook):
            try:
                name = _object_name(item.value)
            except PluginError as error:
                self.keep(item.distribution, hook, error)
            else:
                yield name, item

    def returned(self, hook: str) -> Iterator[Registered]:
        """Yield what a hook's plugins returned, each with its distribution; a hook that raises is a failure."""
        for implementation in getattr(self.pluggy.hook, hook).get_hookimpls():
            distribution = self._distribution(implementation.plugin)
            for value in self._call(implementation, distribution, hook):
                yield Registered(value, distribution)

    def packages(self) -> Iterator[tuple[str, str, Any]]:
        """Yield (distribution, version, plugin) for every loaded plugin, sorted by distribution."""
        named = ((self._distribution(plugin), plugin) for plugin in self.pluggy.get_plugins())
        for distribution, plugin in sorted(named, key=lambda pair: pair[0]):
            yield distribution, self.version(distribution), plugin

    def version(self, distribution: str) -> str:
        """Return a package's version; nothing for what is built in."""
        found = self.distributions.get(distribution)
        return found.version or "" if found is not None else ""

    def implementations(self, hook: str) -> list[tuple[str, pluggy.HookImpl]]:
        """Return (distribution, implementation) of a hook that is told something, sorted by distribution."""
        found = getattr(self.pluggy.hook, hook).get_hookimpls()
        return sorted(((self._distribution(item.plugin), item) for item in found), key=lambda pair: pair[0])

    def keep(self, distribution: str, where: str, error: Exception | SystemExit) -> None:
        """Keep a failure, and report it where it is the first of its distribution."""
        failure = LoadFailure(distribution, where, " ".join(f"{type(error).__name__}: {error}".split()))
        if failure in self.failures:
            return
        first = distribution not in {kept.distribution for kept in self.failures}
        self.failures.append(failure)
        if first:
            self.report(failure)

    def _call(self, implementation: Any, distribution: str, hook: str) -> list[Any]:
        """Return a hook's objects; a `PersonaError` among them stands for one that cannot be made, and is kept."""
        try:
            given = list(implementation.function())
        except (Exception, SystemExit) as error:
            self.keep(distribution, hook, error)
            return []
        for value in given:
            if isinstance(value, PersonaError):
                self.keep(distribution, hook, value)
        return [value for value in given if not isinstance(value, PersonaError)]

    def _distribution(self, plugin: Any) -> str:
        return (self.pluggy.get_name(plugin) or BUILTIN).partition(":")[0]

    def _failed(self) -> str:
        failed = ", ".join(f"{failure.distribution} ({failure.error})" for failure in self.failures)
        refused = ", ".join(f"{name} ({reason})" for name, reason in self.refused.items())
        parts = {"these plugins failed to load": failed, "the configuration keeps these out": refused}
        return "".join(f"; {what}: {names}" for what, names in parts.items() if names)


def load_plugins(
    found: Iterable[Distribution] | None = None,
    *,
    choice: PluginChoice | None = None,
    announce: Callable[[Distribution], None] = lambda distribution: None,
) -> PluginManager:
    """Load the built-in plugin and every installed one; a broken one is kept in `failures` and stops nothing.

    `found` replaces the installed distributions, and `choice` what the workspace's configuration allows. `announce` is
    told of each package before any of its code runs.
    """
    from persona_core.plugins import built_in as builtins

    manager = PluginManager(pluggy.PluginManager(hookspecs.PROJECT))
    manager.pluggy.add_hookspecs(hookspecs)
    manager.pluggy.register(builtins, name=BUILTIN)
    choice = plugin_choice(find_workspace()) if choice is None else choice
    for distribution, entry_point in _entry_points(manager, distributions() if found is None else found):
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


def _entry_points(manager: PluginManager, found: Iterable[Distribution]) -> list[tuple[Distribution, EntryPoint]]:
    pairs = [(d, e) for d in found for e in _declared(manager, d)]
    unique = {(_name(d), e.name): (d, e) for d, e in reversed(pairs)}
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
    """Return the version of the hooks that a plugin declares, the first where it declares none.

    Raises `PluginError` for one that is newer than these hooks.
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


def _registry(items: Iterable[tuple[str, Registered]]) -> dict[str, Registered]:
    registry: dict[str, Registered] = {}
    for name, item in items:
        if name in registry:
            both = f"{registry[name].distribution} and {item.distribution}"
            raise PluginError(f"two plugins register {name!r}: {both}; uninstall one of them")
        registry[name] = item
    return dict(sorted(registry.items()))


def _object_name(value: Any) -> str:
    name = getattr(value, "name", None)
    if not isinstance(name, str):
        raise PluginError(f"{value!r} has no name")
    return check_name(name, PluginError, "plugin object")
