"""Inspection: loads a package and runs every check, as the process `python -m persona_core.testing.package.inspection`.

No other process loads the package. This one writes its findings to a `Journal`, so that the process which reads them
survives whatever the package does.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import Distribution, EntryPoint, distributions
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from persona_core.base.names import suggestion
from persona_core.cli.plugins.clashes import taken_by
from persona_core.errors import PersonaError
from persona_core.plugins.findings import Finding, Journal, Skipped, Wrong, in_one_line
from persona_core.plugins.inventory import HOOKS, TOLD_HOOKS
from persona_core.plugins.loading import load_plugins
from persona_core.settings.installed import GROUP, PluginManager
from persona_core.settings.plugin_choice import PluginChoice, canonical
from persona_core.testing import check_turn_monitor
from persona_core.testing.package.metadata import check_dependencies, check_licence, check_readme, check_version
from persona_core.testing.package.objects import check_object, contract_of, name_of

HEAVY = ("torch", "transformers", "nnsight")
ENTRY_POINT = 'docs/hooks.md, section "Entry point"'
LOADING = 'docs/hooks.md, section "How packages are loaded"'
PACKAGE = 'docs/write-a-blending-strategy.md, section "2. The package"'
_MOST = 1000


def main() -> None:
    """Run the task that the arguments name, `check` or `compare`: TASK JOURNAL DISTRIBUTION REST."""
    task, journal, name, rest = sys.argv[1], Journal(Path(sys.argv[2])), sys.argv[3], sys.argv[4]
    if task == "compare":
        _compare(journal, name, json.loads(rest))
    else:
        if rest:
            sys.path.insert(0, rest)
        Inspection(journal, _distribution(name, rest)).run()
    journal.end()
    os._exit(0)


@dataclass
class Inspection:
    """The checks of one distribution, in order; a check that needs the result of one that failed is left out."""

    journal: Journal
    distribution: Distribution
    modules: dict[str, ModuleType] = field(default_factory=dict)
    plugins: PluginManager | None = None

    def run(self) -> None:
        """Run every check and write its finding."""
        self._attempt("version", PACKAGE, lambda: check_version(self.distribution))
        self._attempt("licence", PACKAGE, lambda: check_licence(self.distribution))
        self._attempt("readme", PACKAGE, lambda: check_readme(self.distribution))
        self._attempt("dependencies", PACKAGE, lambda: check_dependencies(self.distribution))
        self._attempt("entry point", ENTRY_POINT, self._import_all)
        if self.modules:
            self._attempt("quick start", ENTRY_POINT, self._heavy)
            self._advise("types", self._typed())
            self._attempt("hooks", LOADING, self._load)
        for hook, function in self._implementations():
            if hook not in TOLD_HOOKS:
                self._objects(hook, function)
        if any(hook in TOLD_HOOKS for hook, _ in self._implementations()):
            page = f'docs/hooks.md, section "{TOLD_HOOKS[0]}"'
            for module in self.modules.values():
                self._attempt("turn monitor", page, partial(_monitor, module))

    def _attempt(self, check: str, page: str, step: Callable[[], str]) -> None:
        """Run a check that returns what it saw; anything that it raises becomes a finding, `SystemExit` too."""
        self.journal.begin(check)
        try:
            finding = Finding(check, "ok", in_one_line(step()))
        except Skipped as reason:
            finding = Finding(check, "skipped", in_one_line(str(reason)))
        except BaseException as error:
            mend = error.mend if isinstance(error, Wrong) else ""
            finding = Finding(check, "FAILED", in_one_line(_told(error, self._folders())), mend, page)
        self.journal.keep([finding])

    def _advise(self, check: str, missing: str) -> None:
        advice = Finding(check, "advice", missing, "add an empty file of that name beside __init__.py", PACKAGE)
        self.journal.keep([advice if missing else Finding(check, "ok", "py.typed is there")])

    def _import_all(self) -> str:
        entry_points = _entry_points(self.distribution)
        if not entry_points:
            raise Wrong(
                f"there is none in the group {GROUP}", f'add [project.entry-points.{GROUP}] mine = "my_package"'
            )
        for entry_point in entry_points:
            self.modules[entry_point.name] = entry_point.load()
        return ", ".join(f"{entry_point.name} = {entry_point.value}" for entry_point in entry_points)

    def _heavy(self) -> str:
        loaded = [name for name in HEAVY if name in sys.modules]
        if loaded:
            raise Wrong(
                f"importing it loads {' and '.join(loaded)}, which takes seconds at every start of persona-steer",
                "import them inside the functions that need them, and for types under `if TYPE_CHECKING:`",
            )
        return f"importing it loads none of {', '.join(HEAVY)}"

    def _typed(self) -> str:
        files = [Path(module.__file__ or "") for module in self.modules.values() if getattr(module, "__file__", None)]
        return "" if any(file.with_name("py.typed").exists() for file in files) else "there is no py.typed"

    def _load(self) -> str:
        plugins = load_plugins(installed=[self.distribution], choice=PluginChoice())
        if plugins.failures:
            raise _unknown_hook(plugins.failures[0].error)
        self.plugins = plugins
        hooks = sorted(hook for hook, _ in self._implementations())
        if not hooks:
            raise Wrong("no hook is implemented", f"put @hookimpl before one of: {', '.join(HOOKS)}")
        return ", ".join(hooks)

    def _implementations(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield each hook that the distribution implements, with its function."""
        if self.plugins is None:
            return
        for name, _, plugin in self.plugins.packages():
            if canonical(name) == canonical(self.distribution.metadata["Name"]):
                for caller in self.plugins.pluggy.get_hookcallers(plugin) or ():
                    for implementation in caller.get_hookimpls():
                        if implementation.plugin is plugin:
                            yield caller.name, implementation.function

    def _objects(self, hook: str, function: Callable[[], Any]) -> None:
        """Call a hook and check every object that it returns."""
        values: list[Any] = []
        page = f'docs/hooks.md, section "{hook}"'
        self._attempt(hook, page, lambda: _returned(function, values))
        names: list[str] = []
        for number, value in enumerate(values, start=1):
            self._attempt(_label(hook, value, number), page, partial(check_object, hook, value))
            names += _names(hook, value)
        if names:
            self.journal.register(hook, names)
            self._attempt(f"names of {hook}", LOADING, partial(_distinct, names))

    def _folders(self) -> list[str]:
        return [str(Path(module.__file__).parent) for module in self.modules.values() if module.__file__]


def _monitor(module: ModuleType) -> str:
    check_turn_monitor(module)
    return "is told of every turn within its time, and returns nothing"


def _returned(function: Callable[[], Any], values: list[Any]) -> str:
    """Add what a hook returns to `values`; return how many objects there are."""
    returned = function()
    if isinstance(returned, str | bytes | Mapping) or not isinstance(returned, Iterable):
        raise Wrong(f"it returns {type(returned).__name__}", "return a list of objects, also where there is only one")
    first = list(islice(returned, _MOST + 1))
    if len(first) > _MOST:
        raise Wrong(f"it returns more than {_MOST} objects", "return a list that ends")
    if not first:
        raise Wrong("it returns nothing", "return the objects, or leave the hook out")
    values += first
    return f"returns {len(first)}"


def _label(hook: str, value: Any, number: int) -> str:
    """Return an object's name, or its number in the list where it has none, after the word for its kind."""
    return f"{contract_of(hook).noun} {next(iter(_names(hook, value)), number)}"


def _names(hook: str, value: Any) -> list[str]:
    """Return a list of the object's name; empty where it has no usable one."""
    try:
        return [name_of(hook, value)]
    except BaseException:
        return []


def _distinct(names: list[str]) -> str:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Wrong(f"{twice[0]!r} is registered {names.count(twice[0])} times", "give every object a name of its own")
    return ", ".join(names)


def _compare(journal: Journal, name: str, registered: dict[str, list[str]]) -> None:
    """Write a finding a hook: does the core or another installed package register one of these names too?"""
    others = [other for other in distributions() if not _is_called(other, name)]
    plugins = load_plugins(installed=others, choice=PluginChoice())
    for hook, names in registered.items():
        journal.begin(hook)
        owners = {known: taken_by(plugins, hook, known, name) for known in names}
        taken = [f"{known!r}, which {owner} registers too" for known, owner in owners.items() if owner]
        journal.keep([_clash(hook, taken)])


def _clash(hook: str, taken: list[str]) -> Finding:
    check = f"clashes of {hook}"
    if not taken:
        return Finding(check, "ok", "no other package and no built-in object has these names")
    mend = "choose another name: two objects of one name are an error wherever that name is asked for"
    return Finding(check, "FAILED", in_one_line(f"it registers {'; '.join(taken)}"), mend, LOADING)


def _distribution(name: str, site: str) -> Distribution:
    installed = distributions(path=[site]) if site else distributions()
    return next(distribution for distribution in installed if _is_called(distribution, name))


def _is_called(distribution: Distribution, name: str) -> bool:
    return canonical(distribution.metadata["Name"] or "unnamed") == canonical(name)


def _entry_points(distribution: Distribution) -> list[EntryPoint]:
    return [entry_point for entry_point in distribution.entry_points if entry_point.group == GROUP]


def _unknown_hook(error: str) -> Wrong:
    """Return what is wrong with a plugin's hooks: an unknown name, or a signature."""
    unknown = re.search(r"unknown hook '(\w+)'", error)
    if unknown is None:
        return Wrong(error, "hooks take no arguments; docs/hooks.md has each one's signature")
    return Wrong(f"there is no hook {unknown[1]!r}{suggestion(unknown[1], HOOKS)}", "rename it, or take @hookimpl away")


def _told(error: BaseException, folders: list[str]) -> str:
    """Return an error in words; for one that no check raises by itself, also the line of the package it came from."""
    if isinstance(error, Wrong | AssertionError | PersonaError) and str(error):
        return str(error)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if any(frame.filename.startswith(folder) for folder in folders)]
    innermost = (inside or frames)[-1:]
    return said + "".join(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in innermost)


if __name__ == "__main__":
    main()
