"""Find installed plugins, load them one by one, keep what failed, and list what they registered."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, Protocol

import pluggy

from persona_core import hookspecs
from persona_core.errors import PluginError
from persona_core.names import check_name, suggestion

GROUP = "persona_core"
BUILTIN = "persona-core"
DISABLE_VARIABLE = "PERSONA_STEER_PLUGINS"


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
    versions: dict[str, str] = field(default_factory=dict)
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
        registry = self.registry(hook)
        if name not in registry:
            raise PluginError(f"no {kind} named {name!r}{suggestion(name, registry)}{self._failed()}")
        return registry[name].value

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
            yield distribution, self.versions.get(distribution, ""), plugin

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
        try:
            return list(implementation.function())
        except (Exception, SystemExit) as error:
            self.keep(distribution, hook, error)
            return []

    def _distribution(self, plugin: Any) -> str:
        return (self.pluggy.get_name(plugin) or BUILTIN).partition(":")[0]

    def _failed(self) -> str:
        names = ", ".join(f"{failure.distribution} ({failure.error})" for failure in self.failures)
        return f"; these plugins failed to load: {names}" if names else ""


def load_plugins(found: Iterable[Distribution] | None = None) -> PluginManager:
    """Load the built-in plugin and every installed one; a broken one is kept in `failures` and stops nothing.

    `PERSONA_STEER_PLUGINS=""` loads none but the built-in one. `found` replaces the installed distributions.
    """
    from persona_core import builtins

    manager = PluginManager(pluggy.PluginManager(hookspecs.PROJECT))
    manager.pluggy.add_hookspecs(hookspecs)
    manager.pluggy.register(builtins, name=BUILTIN)
    if os.environ.get(DISABLE_VARIABLE) != "":
        for distribution, entry_point in _entry_points(manager, distributions() if found is None else found):
            _load(manager, distribution, entry_point)
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


def _load(manager: PluginManager, distribution: Distribution, entry_point: EntryPoint) -> None:
    name = _name(distribution)
    label = f"{name}:{entry_point.name}"
    manager.versions[name] = distribution.version or ""
    try:
        manager.pluggy.register(entry_point.load(), name=label)
        manager.pluggy.check_pending()
    except (Exception, SystemExit) as error:
        if manager.pluggy.has_plugin(label):
            manager.pluggy.unregister(name=label)
        manager.keep(name, entry_point.name, error)


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
