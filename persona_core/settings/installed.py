"""What the installed packages brought: a table of objects by hook and name, with the packages that failed.

The table knows no hook: `persona_core.plugins` declares the hooks and fills it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from typing import Any, Protocol

import pluggy

from persona_core.base.names import check_name, suggestion
from persona_core.errors import PersonaError, PluginError

GROUP = "persona_core"
"""The group of entry points that packages take part with."""
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
