"""Opening a configuration fills the keys that its file leaves out with what the model's package recommends."""

from pathlib import Path

import pytest

from persona_core.errors import ModelError
from persona_core.plugins.hookspecs import hookimpl
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.opening import get_config
from persona_core.settings.config import Config
from persona_core.settings.installed import PluginManager
from persona_core.settings.model_source import ModelScheme, ModelSource, slug


class TinyModel:
    """A plugin that brings one model, and one for every number of layers."""

    @hookimpl
    def register_models(self) -> list[ModelSource | ModelScheme]:
        """Return a model with values of its own, and a scheme."""
        recommended = {"extraction.target_layers": "3-5", "steering.default_strength": 0.5}
        tiny = ModelSource("tiny", "tiny-0.1b", "a tiny model", lambda report: Path("tiny"), recommended)
        return [tiny, ModelScheme("deep", "deep:LAYERS", "a model of any depth", self.deep)]

    @staticmethod
    def deep(argument: str) -> ModelSource:
        """Return the model of so many layers."""
        recommended = {"extraction.target_layers": argument}
        return ModelSource(
            f"deep:{argument}", slug(f"deep-{argument}"), "deep", lambda report: Path("deep"), recommended
        )


@pytest.fixture(scope="module")
def plugins() -> PluginManager:
    """A real manager with one more plugin."""
    manager = load_plugins(installed=[])
    manager.pluggy.register(TinyModel(), name="persona-tiny:models")
    return manager


def configured(folder: Path, text: str, plugins: PluginManager, model: str | None = None) -> Config:
    """Read a configuration with this text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return get_config(folder, model=model, plugins=plugins)


def test_recommended_values_apply_only_where_the_file_sets_none(tmp_path: Path, plugins: PluginManager) -> None:
    text = "model: {name: tiny}\nsteering: {default_strength: 1.5}\nextraction:\n"
    config = configured(tmp_path, text, plugins)
    assert config.extraction.target_layers == "3-5"
    assert config.steering.default_strength == 1.5


def test_recommended_values_override_a_file_that_names_another_model(tmp_path: Path, plugins: PluginManager) -> None:
    text = "model: {name: org/big}\nsteering: {default_strength: 1.5, safety: false}\n"
    config = configured(tmp_path, text, plugins, model="tiny")
    assert (config.model.name, config.extraction.target_layers) == ("tiny", "3-5")
    assert config.steering.default_strength == 0.5
    assert not config.steering.safety


def test_naming_the_files_own_model_keeps_the_files_values(tmp_path: Path, plugins: PluginManager) -> None:
    text = "model: {name: tiny}\nsteering: {default_strength: 1.5}\n"
    assert configured(tmp_path, text, plugins, model="tiny") == configured(tmp_path, text, plugins)


def test_a_model_that_no_plugin_brings_recommends_nothing(tmp_path: Path, plugins: PluginManager) -> None:
    config = get_config(tmp_path, model="org/tiny", plugins=plugins)
    assert config.model_dump() == Config().replace({"model.name": "org/tiny"}).model_dump()


def test_a_scheme_gives_the_model_of_its_argument_with_its_recommended_values(
    tmp_path: Path, plugins: PluginManager
) -> None:
    config = get_config(tmp_path, model="deep:7", plugins=plugins)
    assert (config.model.name, config.extraction.target_layers) == ("deep:7", "7")


@pytest.mark.parametrize("name", ["deep", "deep:"])
def test_a_scheme_without_its_argument_says_how_it_is_written(
    tmp_path: Path, plugins: PluginManager, name: str
) -> None:
    with pytest.raises(ModelError, match="write deep:LAYERS"):
        get_config(tmp_path, model=name, plugins=plugins)
