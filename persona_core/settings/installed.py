"""PluginManager: a table of what the installed packages brought, by hook and name, and of those that failed.

`persona_core.plugins` declares the hooks and fills the table.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from typing import Any, Protocol

import pluggy

from persona_core.base.names import check_alias, check_name, suggestion
from persona_core.errors import PersonaError, PluginError

GROUP = "persona_core"
"""The entry-point group that packages register in."""
BUILTIN = "persona-core"


_MODELS = "register_models"
"""The hook whose objects are called as models are, with dots. This is all that the table knows of any hook."""


class Named(Protocol):
    """Every registered object has a name."""

    @property
    def name(self) -> str:
        """The name that users type."""
        ...


@dataclass(frozen=True)
class LoadFailure:
    """A plugin that could not be loaded, or a hook that failed when called, with the reason in one line."""

    distribution: str
    where: str
    error: str


@dataclass(frozen=True)
class Registered:
    """An object, with the distribution that registered it."""

    value: Any
    distribution: str


@dataclass
class PluginManager:
    """The loaded plugins: pluggy's manager, the distribution of each, the failures, and a callback for failures."""

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
        """Report each distribution's first failure: at once, or when one of its hooks is called and fails."""
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
        """Return the objects that plugins returned for a hook whose objects have no name."""
        return [registered.value for registered in self.returned(hook)]

    def named(self, hook: str) -> Iterator[tuple[str, Registered]]:
        """Yield (name, object) for what plugins returned for a hook; an object without a usable name is a failure."""
        for registered in self.returned(hook):
            try:
                name = object_name(hook, registered.value)
            except PluginError as error:
                self.keep(registered.distribution, hook, error)
            else:
                yield name, registered

    def returned(self, hook: str) -> Iterator[Registered]:
        """Yield what plugins returned for a hook, object by object; a hook that raises is kept as a failure."""
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
        """Return a package's version; an empty text for the built-in plugin."""
        metadata = self.distributions.get(distribution)
        return metadata.version or "" if metadata is not None else ""

    def implementations(self, hook: str) -> list[tuple[str, pluggy.HookImpl]]:
        """Return (distribution, implementation) of a hook that only notifies, sorted by distribution."""
        implementations = getattr(self.pluggy.hook, hook).get_hookimpls()
        pairs = ((self._distribution(one.plugin), one) for one in implementations)
        return sorted(pairs, key=lambda pair: pair[0])

    def keep(self, distribution: str, where: str, error: Exception | SystemExit) -> None:
        """Keep a failure, and report it if it is the first of its distribution."""
        failure = LoadFailure(distribution, where, " ".join(f"{type(error).__name__}: {error}".split()))
        if failure in self.failures:
            return
        first = distribution not in {kept.distribution for kept in self.failures}
        self.failures.append(failure)
        if first:
            self.report(failure)

    def _call(self, implementation: Any, distribution: str, hook: str) -> list[Any]:
        """Return a hook's objects; a `PersonaError` among them stands for an object that failed, and is kept."""
        try:
            values = list(implementation.function())
        except (Exception, SystemExit) as error:
            self.keep(distribution, hook, error)
            return []
        for value in values:
            if isinstance(value, PersonaError):
                self.keep(distribution, hook, value)
        return [value for value in values if not isinstance(value, PersonaError)]

    def _distribution(self, plugin: Any) -> str:
        return (self.pluggy.get_name(plugin) or BUILTIN).partition(":")[0]

    def _failed(self) -> str:
        failed = ", ".join(f"{failure.distribution} ({failure.error})" for failure in self.failures)
        refused = ", ".join(f"{name} ({reason})" for name, reason in self.refused.items())
        clauses = {"these plugins failed to load": failed, "the configuration keeps these out": refused}
        return "".join(f"; {clause}: {names}" for clause, names in clauses.items() if names)


def _registry(named: Iterable[tuple[str, Registered]]) -> dict[str, Registered]:
    registry: dict[str, Registered] = {}
    for name, registered in named:
        if name in registry:
            both = f"{registry[name].distribution} and {registered.distribution}"
            raise PluginError(f"two plugins register {name!r}: {both}; uninstall one of them")
        registry[name] = registered
    return dict(sorted(registry.items()))


def object_name(hook: str, value: Any) -> str:
    """Return the name of an object that a hook returned; raise `PluginError` where it has none that users can type."""
    name = getattr(value, "name", None)
    if not isinstance(name, str):
        raise PluginError(f"{value!r} has no name")
    return check_alias(name, PluginError) if hook == _MODELS else check_name(name, PluginError, "plugin object")
