"""Plugins: real distributions on disk, good and broken, found by their entry points."""

import random
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from persona_core.errors import ConfigError, PluginError
from persona_core.plugins.hookspecs import CHANGES, HOOK_VERSION
from persona_core.plugins.loading import load_plugins, written_for
from persona_core.settings.installed import BUILTIN, LoadFailure, PluginManager
from persona_core.settings.plugin_choice import PLUGINS_VARIABLE

Install = Callable[..., Distribution]
POLICY = """
    from persona_core.plugins.hookspecs import hookimpl

    class Policy:
        name = {name!r}
        def clamps(self, context):
            return ()

    @hookimpl
    def register_capping_policies():
        return [Policy()]
"""
NO_SPEC = "from persona_core.plugins.hookspecs import hookimpl\n@hookimpl\ndef register_everything():\n    return []\n"
SIGNATURE = (
    "from persona_core.plugins.hookspecs import hookimpl\n@hookimpl\ndef register_models(config):\n    return []\n"
)
RAISES = "from persona_core.plugins.hookspecs import hookimpl\n@hookimpl\ndef register_capping_policies():\n    1 / 0\n"
PARTLY = """
    from persona_core import Archetype, hookimpl
    from persona_core.errors import ArchetypeError

    @hookimpl
    def register_archetypes():
        return [
            ArchetypeError("one.json: no instruction"),
            Archetype(name="hermit", description="a hermit", system_prompts=("Be silent.",)),
            ArchetypeError("two.json: no instruction"),
        ]
"""
NAMELESS = (
    "from persona_core.plugins.hookspecs import hookimpl\n@hookimpl\ndef register_models():\n    return ['text']\n"
)


def policies(manager: PluginManager) -> dict[str, str]:
    """Return policy -> the distribution that brought it."""
    return {name: item.distribution for name, item in manager.registry("register_capping_policies").items()}


def test_a_good_plugin_is_found_beside_the_built_in_one(install: Install) -> None:
    manager = load_plugins(installed=[install("persona-strict", POLICY.format(name="strict"))])
    assert policies(manager) == {"percentile-floor": BUILTIN, "strict": "persona-strict"}
    assert manager.find("register_capping_policies", "strict", "capping policy").name == "strict"
    assert [(name, version) for name, version, _ in manager.packages()] == [
        (BUILTIN, ""),
        ("persona-strict", "1.0"),
    ]
    assert not manager.failures


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("HOOK_VERSION = 99", "PluginError: it was written for version 99 of the hooks"),
        (NO_SPEC, "PluginValidationError: unknown hook 'register_everything'"),
        (SIGNATURE, "PluginValidationError: Plugin 'persona-bad:plugin' for hook 'register_models'"),
    ],
)
def test_a_plugin_that_cannot_load_is_kept_and_the_others_work(install: Install, source: str, error: str) -> None:
    found = [
        install("persona-bad", source),
        install("a-first", POLICY.format(name="first")),
        install("z-last", POLICY.format(name="last")),
    ]
    manager = load_plugins(installed=found)
    assert [(failure.distribution, failure.where) for failure in manager.failures] == [("persona-bad", "plugin")]
    assert error in manager.failures[0].error
    assert set(policies(manager)) == {"first", "last", "percentile-floor"}
    assert "persona-bad" not in [name for name, _, _ in manager.packages()]


@pytest.mark.parametrize(
    ("raises", "error"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("raise SystemExit('no licence')", "SystemExit: no licence")],
)
def test_a_hook_that_raises_is_kept_once_and_the_others_work(install: Install, raises: str, error: str) -> None:
    source = RAISES.replace("1 / 0", raises)
    manager = load_plugins(installed=[install("persona-bad", source), install("z", POLICY.format(name="last"))])
    assert not manager.failures
    assert set(policies(manager)) == {"last", "percentile-floor"}
    list(manager.values("register_capping_policies"))
    assert [(failure.distribution, failure.where, failure.error) for failure in manager.failures] == [
        ("persona-bad", "register_capping_policies", error)
    ]


def test_a_hook_that_returns_nothing_is_a_failure(install: Install) -> None:
    manager = load_plugins(installed=[install("persona-bad", RAISES.replace("1 / 0", "pass"))])
    assert set(policies(manager)) == {"percentile-floor"}
    assert manager.failures[0].error.startswith("TypeError")


def test_an_error_among_the_objects_is_kept_and_the_objects_beside_it_work(install: Install) -> None:
    manager = load_plugins(installed=[install("persona-files", PARTLY)])
    reported: list[LoadFailure] = []
    manager.on_failure(reported.append)
    assert list(manager.registry("register_archetypes")) == ["hermit"]
    errors = [f"ArchetypeError: {name}.json: no instruction" for name in ("one", "two")]
    assert [failure.error for failure in manager.failures] == errors
    assert [failure.error for failure in reported] == errors[:1]


def test_two_plugins_of_one_name_are_both_named(install: Install) -> None:
    found = [install("persona-one", POLICY.format(name="strict")), install("persona-two", POLICY.format(name="strict"))]
    for order in (found, found[::-1]):
        with pytest.raises(PluginError, match="two plugins register 'strict'") as caught:
            policies(load_plugins(installed=order))
        assert "persona-one" in str(caught.value)
        assert "persona-two" in str(caught.value)


def test_a_plugin_cannot_take_a_built_in_name(install: Install) -> None:
    manager = load_plugins(installed=[install("persona-evil", POLICY.format(name="percentile-floor"))])
    with pytest.raises(PluginError, match="persona-evil"):
        policies(manager)


@pytest.mark.parametrize(
    ("source", "hook", "error"),
    [
        (POLICY.format(name="../strict"), "register_capping_policies", "'../strict' is not a plugin object name"),
        (NAMELESS, "register_models", "'text' has no name"),
    ],
)
def test_an_object_without_a_usable_name_is_left_out_and_kept_as_a_failure(
    install: Install, source: str, hook: str, error: str
) -> None:
    manager = load_plugins(installed=[install("persona-bad", source), install("z", POLICY.format(name="last"))])
    assert {item.distribution for item in manager.registry(hook).values()} <= {BUILTIN, "z"}
    assert set(policies(manager)) == {"last", "percentile-floor"}
    assert [(failure.distribution, failure.where) for failure in manager.failures] == [("persona-bad", hook)]
    assert error in manager.failures[0].error


def test_the_first_failure_of_a_distribution_is_reported_once_and_in_one_line(install: Install) -> None:
    reported: list[LoadFailure] = []
    raises = RAISES.replace("1 / 0", "raise ValueError('one\\n  two')")
    raises += "@hookimpl\ndef register_models():\n    1 / 0\n"
    manager = load_plugins(installed=[install("persona-bad", raises), install("persona-worse", "import nothing_such")])
    manager.on_failure(reported.append)
    assert [failure.distribution for failure in reported] == ["persona-worse"]
    for hook in ("register_capping_policies", "register_models", "register_capping_policies"):
        manager.registry(hook)
    assert [failure.distribution for failure in reported] == ["persona-worse", "persona-bad"]
    assert reported[1] == LoadFailure("persona-bad", "register_capping_policies", "ValueError: one two")
    assert len(manager.failures) == 3


def test_a_missing_policy_mentions_the_package_that_failed(install: Install) -> None:
    manager = load_plugins(installed=[install("persona-strict", "raise RuntimeError('no licence')")])
    with pytest.raises(PluginError, match="no capping policy named 'strict'") as caught:
        manager.find("register_capping_policies", "strict", "capping policy")
    assert "persona-strict (RuntimeError: no licence)" in str(caught.value)


def test_a_missing_policy_mentions_the_package_whose_hook_raises(install: Install) -> None:
    manager = load_plugins(installed=[install("persona-strict", RAISES)])
    with pytest.raises(PluginError, match=r"persona-strict \(ZeroDivisionError"):
        manager.find("register_capping_policies", "strict", "capping policy")


def test_a_misspelt_policy_gets_the_nearest_name() -> None:
    with pytest.raises(PluginError, match="did you mean 'percentile-floor'"):
        load_plugins(installed=[]).find("register_capping_policies", "percentil-floor", "capping policy")


def test_an_empty_variable_loads_none_but_the_built_in(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [install("persona-strict", POLICY.format(name="strict"))]
    monkeypatch.setenv(PLUGINS_VARIABLE, "")
    assert set(policies(load_plugins(installed=found))) == {"percentile-floor"}
    monkeypatch.setenv(PLUGINS_VARIABLE, "other, Persona_Strict")
    assert set(policies(load_plugins(installed=found))) == {"percentile-floor", "strict"}


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_loading_carries_no_meaning(install: Install, seed: int) -> None:
    found = [install(f"persona-{name}", POLICY.format(name=name)) for name in ("a", "b", "c", "d")]
    found += [install("persona-bad", "raise RuntimeError"), install("persona-worse", NO_SPEC)]
    shuffled = random.Random(seed).sample(found, len(found))
    one, other = load_plugins(installed=found), load_plugins(installed=shuffled)
    assert list(policies(one).items()) == list(policies(other).items())
    assert one.failures == other.failures
    assert [name for name, _, _ in one.packages()] == [name for name, _, _ in other.packages()]


def test_a_distribution_seen_twice_on_the_path_is_loaded_once(install: Install) -> None:
    strict = install("persona-strict", POLICY.format(name="strict"))
    manager = load_plugins(installed=[strict, strict])
    assert not manager.failures
    assert set(policies(manager)) == {"percentile-floor", "strict"}


def test_entry_points_of_other_groups_are_left_alone(install: Install) -> None:
    manager = load_plugins(installed=[install("other", "raise RuntimeError", "[console_scripts]\nx = nowhere:main\n")])
    assert not manager.failures
    assert [name for name, _, _ in manager.packages()] == [BUILTIN]


@pytest.mark.parametrize(
    ("text", "failed"), [("[persona_core]\nbroken line\n", ["persona-bad"]), ("[other]\nbroken line\n", [])]
)
def test_unreadable_entry_points_stop_nothing(install: Install, text: str, failed: Iterable[str]) -> None:
    found = [install("persona-bad", "", text), install("persona-strict", POLICY.format(name="strict"))]
    manager = load_plugins(installed=found)
    assert [failure.distribution for failure in manager.failures] == failed
    assert set(policies(manager)) == {"percentile-floor", "strict"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_distribution_without_metadata_stops_nothing(install: Install, tmp_path: Path) -> None:
    found = [install("persona-half", "raise RuntimeError"), install("persona-strict", POLICY.format(name="strict"))]
    (tmp_path / "persona-half-1.0.dist-info" / "METADATA").unlink()
    manager = load_plugins(installed=found)
    assert set(policies(manager)) == {"percentile-floor", "strict"}
    assert len(manager.failures) == 1


def test_an_older_plugin_loads_and_a_newer_one_says_what_to_upgrade() -> None:
    class Plugin:
        HOOK_VERSION: object = 1

    for version in range(1, HOOK_VERSION + 1):
        Plugin.HOOK_VERSION = version
        assert written_for(Plugin) == version
    Plugin.HOOK_VERSION = HOOK_VERSION + 1
    with pytest.raises(PluginError, match=r"version \d+ of the hooks.*pip install --upgrade persona-core"):
        written_for(Plugin)
    for wrong in (0, "2", True, None):
        Plugin.HOOK_VERSION = wrong
        with pytest.raises(PluginError, match="whole number"):
            written_for(Plugin)
    assert written_for(object()) == 1
    assert set(CHANGES) <= set(range(2, HOOK_VERSION + 1))


def test_a_choice_that_makes_no_sense_is_an_error_and_loads_nothing(workspace_folder: Path) -> None:
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text("# persona-steer\nplugins: 3\n")
    with pytest.raises(ConfigError, match="plugins"):
        load_plugins()
