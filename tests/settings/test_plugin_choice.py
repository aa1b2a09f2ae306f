"""The choice of packages: what a configuration allows and disables, in any spelling, and what the environment names."""

from pathlib import Path

import pytest

from persona_core.errors import ConfigError
from persona_core.settings.plugin_choice import (
    PLUGINS_VARIABLE,
    PluginChoice,
    canonical,
    plugin_choice,
    read_config_data,
)
from persona_core.settings.workspace import Workspace


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the choice to the configuration."""
    monkeypatch.delenv(PLUGINS_VARIABLE, raising=False)


def configured(folder: Path, text: str) -> Workspace:
    """Return a workspace with this configuration."""
    (folder / "config.yaml").write_text(text)
    return Workspace(folder)


@pytest.mark.parametrize(
    ("package", "refusal"), [("My_Pack", ""), ("bad.pack", "disabled"), ("other", "not allowed"), ("both", "disabled")]
)
def test_a_package_is_known_in_all_its_spellings(package: str, refusal: str) -> None:
    choice = PluginChoice(allowed=frozenset({"my-pack", "both"}), disabled=frozenset({"bad-pack", "both"}))
    assert choice.refusal(package) == refusal


@pytest.mark.parametrize("package", ["My_Pack", "my.pack", "my--pack", "MY-._pack"])
def test_a_name_has_one_form(package: str) -> None:
    assert canonical(package) == "my-pack"


def test_without_a_workspace_or_a_section_every_package_is_loaded(tmp_path: Path) -> None:
    assert plugin_choice(Workspace(tmp_path / "nowhere")) == PluginChoice()
    assert plugin_choice(configured(tmp_path, "model: {name: smollm2}")) == PluginChoice()
    assert PluginChoice().refusal("any-pack") == ""


def test_the_configuration_allows_and_disables(tmp_path: Path) -> None:
    choice = plugin_choice(configured(tmp_path, "plugins:\n  allowed: [My_Pack]\n  disabled: [bad.pack]"))
    assert choice == PluginChoice(frozenset({"my-pack"}), frozenset({"bad-pack"}))


def test_an_empty_allow_list_allows_nothing(tmp_path: Path) -> None:
    assert plugin_choice(configured(tmp_path, "plugins: {allowed: []}")).refusal("any-pack") == "not allowed"


@pytest.mark.parametrize(("variable", "allowed"), [("one_pack, other", {"one-pack", "other"}), ("", set())])
def test_the_variable_replaces_the_allow_list_and_keeps_what_is_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, allowed: set[str]
) -> None:
    workspace = configured(tmp_path, "plugins: {allowed: [my-pack], disabled: [bad-pack]}")
    monkeypatch.setenv(PLUGINS_VARIABLE, variable)
    assert plugin_choice(workspace) == PluginChoice(frozenset(allowed), frozenset({"bad-pack"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plugins: 3", "takes the keys allowed and disabled"),
        ("plugins: {allowed: all}", r"plugins\.allowed takes a list of packages, not 'all'"),
        ("plugins: {disabled: [1]}", r"plugins\.disabled takes a list of packages, not \[1\]"),
    ],
)
def test_a_choice_that_makes_no_sense_is_an_error_that_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plugin_choice(configured(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a list", "expected sections such as `model:`, found list"), ("model: [", "line 2, column 1")],
)
def test_a_file_that_holds_no_sections_is_refused_by_its_name(tmp_path: Path, text: str, message: str) -> None:
    path = configured(tmp_path, text).config_file
    with pytest.raises(ConfigError, match=message) as caught:
        read_config_data(path)
    assert str(caught.value).startswith(str(path))


def test_an_empty_file_has_no_sections(tmp_path: Path) -> None:
    assert read_config_data(configured(tmp_path, "# persona-steer\n").config_file) == {}
