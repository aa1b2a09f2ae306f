"""PluginManager: a table that knows no hook of its own; names, failures and who is told of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pluggy
import pytest

from persona_core.errors import ArchetypeError, PluginError
from persona_core.settings.installed import BUILTIN, LoadFailure, PluginManager

spec, impl = pluggy.HookspecMarker("colours"), pluggy.HookimplMarker("colours")


class Specs:
    """One hook that is not one of ours."""

    @spec
    def register_colours(self) -> Any:
        """Return colours."""


@dataclass(frozen=True)
class Colour:
    name: str


class Brings:
    """A plugin whose hook returns what a function returns."""

    def __init__(self, function: Callable[[], list[Any]]) -> None:
        self.function = function

    @impl
    def register_colours(self) -> list[Any]:
        return self.function()


def table(**plugins: Callable[[], list[Any]]) -> PluginManager:
    """Return a table of plugins, each of a distribution of its name."""
    manager = pluggy.PluginManager("colours")
    manager.add_hookspecs(Specs)
    for name, function in plugins.items():
        manager.register(Brings(function), name=f"{name}:main")
    return PluginManager(manager)


def test_objects_are_found_by_name_with_the_distribution_that_brought_them() -> None:
    installed = table(warm=lambda: [Colour("red"), Colour("amber")], cold=lambda: [Colour("blue")])
    registry = installed.registry("register_colours")
    assert {name: entry.distribution for name, entry in registry.items()} == {
        "amber": "warm",
        "blue": "cold",
        "red": "warm",
    }
    assert installed.find("register_colours", "blue", "colour") == Colour("blue")


def test_a_misspelt_name_gets_the_nearest_and_the_packages_that_failed() -> None:
    installed = table(warm=lambda: [Colour("red")], broken=lambda: [1 / 0])
    with pytest.raises(PluginError, match=r"no colour named 'redd'; did you mean 'red'\?.*broken \(ZeroDivisionError"):
        installed.find("register_colours", "redd", "colour")


def test_a_hook_is_called_once_for_a_registry() -> None:
    calls: list[int] = []
    installed = table(warm=lambda: calls.append(1) or [Colour("red")])  # type: ignore[func-returns-value]
    for _ in range(3):
        installed.registry("register_colours")
    assert calls == [1]


@pytest.mark.parametrize("brought", [object(), Colour(""), Colour("not a name"), Colour("../up")])
def test_an_object_that_nobody_can_type_is_a_failure_and_the_others_stay(brought: object) -> None:
    installed = table(warm=lambda: [brought, Colour("red")])
    assert list(installed.registry("register_colours")) == ["red"]
    assert [failure.distribution for failure in installed.failures] == ["warm"]


def test_an_error_in_place_of_an_object_is_kept_as_its_failure() -> None:
    installed = table(warm=lambda: [ArchetypeError("red.yaml: no name"), Colour("amber")])
    assert list(installed.registry("register_colours")) == ["amber"]
    assert installed.failures == [LoadFailure("warm", "register_colours", "ArchetypeError: red.yaml: no name")]


def test_the_first_failure_of_each_distribution_is_told_once_now_or_later() -> None:
    told: list[str] = []
    installed = table()
    installed.keep("early", "import", ValueError("one\n  line"))
    installed.on_failure(lambda failure: told.append(f"{failure.distribution}: {failure.error}"))
    installed.keep("early", "register_colours", ValueError("two"))
    installed.keep("late", "import", SystemExit(3))
    installed.keep("late", "import", SystemExit(3))
    assert told == ["early: ValueError: one line", "late: SystemExit: 3"]
    assert len(installed.failures) == 3


def test_two_plugins_of_one_name_are_both_named() -> None:
    installed = table(warm=lambda: [Colour("red")], cold=lambda: [Colour("red")])
    with pytest.raises(PluginError, match="two plugins register 'red'.*uninstall one of them"):
        installed.registry("register_colours")


def test_a_plugin_without_a_distribution_is_built_in() -> None:
    manager = pluggy.PluginManager("colours")
    manager.add_hookspecs(Specs)
    manager.register(Brings(lambda: [Colour("red")]), name=BUILTIN)
    installed = PluginManager(manager)
    assert installed.item("register_colours", "red", "colour").distribution == BUILTIN
    assert installed.version(BUILTIN) == ""
