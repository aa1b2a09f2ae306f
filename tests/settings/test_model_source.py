"""Models by name: a package's alias, a scheme with its argument, or neither; and the folder of a model's vectors."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_core.errors import ModelError
from persona_core.plugins.hookspecs import hookimpl
from persona_core.plugins.loading import load_plugins
from persona_core.settings.installed import PluginManager
from persona_core.settings.model_source import ModelScheme, ModelSource, model_slug, model_source, slug, slug_of


def deep(argument: str) -> ModelSource:
    """Return the model of so many layers."""
    return ModelSource(f"deep:{argument}", slug(f"deep-{argument}"), "deep", lambda report: Path("deep"))


TINY = ModelSource("tiny", "tiny-0.1b", "a tiny model", lambda report: Path("tiny"))
DOTTED = ModelSource("tiny-0.1b", "dotted", "a tiny model too", lambda report: Path("dotted"))
DEEP = ModelScheme("deep", "deep:LAYERS", "a model of any depth", deep)


class Models:
    """A plugin that brings two models, and one for every number of layers."""

    @hookimpl
    def register_models(self) -> list[ModelSource | ModelScheme]:
        """Return all."""
        return [TINY, DOTTED, DEEP]


@pytest.fixture(scope="module")
def plugins() -> PluginManager:
    """A real manager with one more plugin."""
    manager = load_plugins(installed=[])
    manager.pluggy.register(Models(), name="persona-tiny:models")
    return manager


def test_an_alias_is_its_packages_model(plugins: PluginManager) -> None:
    assert model_source("tiny", plugins) is TINY
    assert model_source("tiny-0.1b", plugins) is DOTTED


def test_a_scheme_makes_the_model_of_its_argument(plugins: PluginManager) -> None:
    source = model_source("deep:/x/y.z", plugins)
    assert source is not None
    assert (source.name, source.slug) == ("deep:/x/y.z", "deep--x-y.z")


@pytest.mark.parametrize("name", ["deep", "deep:"])
def test_a_scheme_without_its_argument_says_how_it_is_written(plugins: PluginManager, name: str) -> None:
    with pytest.raises(ModelError, match="write deep:LAYERS"):
        model_source(name, plugins)


@pytest.mark.parametrize("name", ["tiny:7", "shallow:7", "C:/models/x", "org/model:7"])
def test_a_colon_makes_no_scheme_of_another_name(plugins: PluginManager, name: str) -> None:
    assert model_source(name, plugins) is None


@pytest.mark.parametrize("name", ["org/tiny", "tiny.gguf", "./tiny", "unknown", "tiny.safetensors"])
def test_a_hub_id_a_path_and_an_unknown_name_are_no_packages_models(plugins: PluginManager, name: str) -> None:
    assert model_source(name, plugins) is None


def test_a_folder_of_an_aliass_name_comes_before_the_alias(
    plugins: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert model_source("tiny", plugins) is None


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("tiny", "tiny-0.1b"),
        ("deep:/x/y.z", "deep--x-y.z"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen-qwen2.5-7b-instruct"),
        ("/x/My Model.gguf", "my-model"),
    ],
)
def test_a_models_vectors_have_one_safe_folder(plugins: PluginManager, name: str, folder: str) -> None:
    assert model_slug(name, plugins) == folder


def test_a_local_folder_is_called_by_its_last_part(tmp_path: Path) -> None:
    (tmp_path / "My Model").mkdir()
    assert slug_of(str(tmp_path / "My Model"), None) == "my-model"


@given(st.text(max_size=30))
def test_a_slug_never_leaves_its_folder(name: str) -> None:
    assert (Path("/root") / slug(name)).resolve().parent == Path("/root")
