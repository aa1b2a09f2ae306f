"""A key that names what a package brings takes only names that are there, and a model brings what suits it."""

from pathlib import Path

import pytest

from persona_core import get_config
from persona_core.errors import ModelError, PluginError
from persona_core.plugins.configured import keys_that_need, set_key
from persona_core.plugins.loading import load_plugins
from persona_core.settings.installed import BUILTIN
from persona_core.settings.workspace import find_workspace


def test_an_alias_is_set_with_what_its_package_recommends(workspace_folder: Path) -> None:
    done = set_key(find_workspace(), load_plugins(), "model.name", "smollm2")
    assert done.value == "smollm2"
    assert done.restored == {}
    assert done.recommended["extraction.target_layers"] == get_config().extraction.target_layers == "25%-50%"


def test_another_model_does_not_keep_what_was_recommended_for_the_one_before(workspace_folder: Path) -> None:
    plugins = load_plugins()
    set_key(find_workspace(), plugins, "model.name", "smollm2")
    set_key(find_workspace(), plugins, "extraction.max_new_tokens", "20")
    done = set_key(find_workspace(), plugins, "model.name", "org/another")
    assert done.restored["extraction.target_layers"] == get_config().extraction.target_layers == "50%-75%"
    assert get_config().steering.safety_floor_percentile == 25
    assert get_config().extraction.max_new_tokens == 20


@pytest.mark.parametrize(
    ("key", "name", "error", "message"),
    [
        ("steering.blending", "weighted-sun", PluginError, "did you mean 'weighted-sum'"),
        ("steering.capping_policy", "percentile-flor", PluginError, "did you mean 'percentile-floor'"),
        ("model.name", "gguf", ModelError, "alone names no model"),
    ],
)
def test_a_name_that_no_package_brings_is_refused_and_nothing_is_written(
    workspace_folder: Path, key: str, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        set_key(find_workspace(), load_plugins(), key, name)
    assert not (workspace_folder / "config.yaml").exists()


def test_the_keys_that_need_a_package_are_those_whose_values_it_brings(workspace_folder: Path) -> None:
    config, plugins = get_config(model="smollm2"), load_plugins()
    assert keys_that_need(config, plugins, BUILTIN) == ["steering.blending", "steering.capping_policy"]
    assert keys_that_need(config, plugins, "persona-model-smollm2") == ["model.name"]
    assert keys_that_need(config, plugins, "persona-chat-stats") == []
