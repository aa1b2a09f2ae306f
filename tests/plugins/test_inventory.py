"""The inventory has one row a package, with what it registered, or why it is not there."""

from collections.abc import Callable
from importlib.metadata import Distribution

import pytest

from persona_core.errors import PluginError
from persona_core.plugins.hookspecs import HOOK_VERSION
from persona_core.plugins.inventory import about, check_names, installed_package, inventory
from persona_core.plugins.loading import load_plugins
from persona_core.settings.plugin_choice import PluginChoice
from persona_core.settings.workspace import find_workspace

Install = Callable[..., Distribution]
SAILOR = """
from persona_core import Archetype, hookimpl

@hookimpl
def register_archetypes():
    return [Archetype(name='sailor', description='x', system_prompts=('You are x.',))]
"""


def test_a_package_has_what_it_registered_and_a_broken_one_its_error(install: Install) -> None:
    packages = [install("persona-sailors", SAILOR), install("persona-broken", "1 / 0")]
    rows = {row["package"]: row for row in inventory(load_plugins(installed=packages))}
    assert rows["persona-sailors"]["registered"] == {"register_archetypes": ["sailor"]}
    assert rows["persona-sailors"]["error"] is None
    assert rows["persona-broken"]["registered"] == {}
    assert "ZeroDivisionError" in rows["persona-broken"]["error"]
    assert "percentile-floor" in rows["persona-core"]["registered"]["register_capping_policies"]


def test_a_hook_that_fails_when_it_is_called_is_an_error_of_its_package(install: Install) -> None:
    source = "from persona_core import hookimpl\n\n@hookimpl\ndef register_judges():\n    raise KeyError('key')\n"
    (row,) = [row for row in inventory(load_plugins(installed=[install("persona-late", source)])) if row["error"]]
    assert row["error"] == "register_judges: KeyError: 'key'"


def test_a_refused_package_says_why(install: Install) -> None:
    choice = PluginChoice(disabled=frozenset({"persona-sailors"}))
    plugins = load_plugins(installed=[install("persona-sailors", SAILOR)], choice=choice)
    (row,) = [row for row in inventory(plugins) if row["package"] == "persona-sailors"]
    assert (row["refused"], row["registered"]) == ("disabled", {})
    assert about(plugins, "persona-sailors", find_workspace())["status"] == "disabled"


def test_two_packages_of_one_name_are_an_error(install: Install) -> None:
    packages = [install(name, SAILOR) for name in ("persona-sailors", "persona-seamen")]
    with pytest.raises(PluginError, match="two plugins register 'sailor': persona-sailors and persona-seamen"):
        check_names(load_plugins(installed=packages))


def test_a_package_is_found_in_all_its_spellings(install: Install) -> None:
    plugins = load_plugins(installed=[install("persona-sailors", SAILOR)])
    assert installed_package(plugins, "Persona_Sailors") == "persona-sailors"
    with pytest.raises(PluginError, match="did you mean 'persona-sailors'"):
        installed_package(plugins, "persona-sailor")


def test_a_package_that_was_written_for_older_hooks_is_told_what_changed(install: Install) -> None:
    plugins = load_plugins(installed=[install("persona-old", SAILOR)])
    facts = about(plugins, "persona-old", find_workspace())
    assert facts["hooks"].startswith(f"written for version 1 of {HOOK_VERSION}; since then: ")
    assert (facts["status"], facts["first seen"]) == ("loaded", "not noted in this workspace")
