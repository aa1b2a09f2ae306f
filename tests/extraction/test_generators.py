"""Generators with an argument or a model: how they are asked for, and that what they make is what extraction reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner, Result

from persona_core.cli import build_cli
from persona_core.errors import DatasetError, PluginError
from persona_core.extraction.data import find_generator, persona_dataset
from persona_core.extraction.generators import DatasetGenerator, Templates, as_noun_phrase
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import PersonaDataset
from persona_core.personas.manager import PersonaManager
from persona_core.plugins.hookspecs import hookimpl
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.opening import get_config
from persona_core.settings.installed import PluginManager


@dataclass(frozen=True)
class Plain(Templates):
    """Says in its default side what it was told."""

    name: str = "plain"
    told: str = "nothing"

    def archetype(self, name: str, description: str, questions: Sequence[str]) -> Archetype:
        """Describe those that nobody describes."""
        return super().archetype(name, description or f"one that is {self.told}", questions)

    def persona(self, archetype: Archetype, n_prompts: int, n_questions: int) -> PersonaDataset:
        """Return a dataset with one default prompt."""
        dataset = super().persona(archetype, n_prompts, n_questions)
        return dataset.model_copy(update={"default_prompts": (f"You are {self.told}.",)})


@dataclass(frozen=True)
class Arguing(Plain):
    """Is told an argument."""

    name: str = "arguing"

    def with_argument(self, argument: str) -> DatasetGenerator:
        """Keep the argument."""
        return replace(self, told=argument)


@dataclass(frozen=True)
class Writing(Plain):
    """Is told a model."""

    name: str = "writing"

    def with_model(self, model: ModelWrapper) -> DatasetGenerator:
        """Keep the model."""
        return replace(self, told=str(model))


class Generators:
    """A plugin that brings them."""

    @hookimpl
    def register_dataset_generators(self) -> list[DatasetGenerator]:
        """Return one of each kind."""
        return [Arguing(), Writing()]


@pytest.fixture(scope="module")
def plugins() -> PluginManager:
    """The installed plugins and one more."""
    manager = load_plugins()
    manager.pluggy.register(Generators(), name="persona-generators:main")
    return manager


@pytest.fixture
def manager(plugins: PluginManager, workspace_folder: Path) -> PersonaManager:
    """The personas of a workspace for the embedded model."""
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    return PersonaManager(get_config(plugins=plugins), plugins=plugins)


def invoke(plugins: PluginManager, *arguments: str, code: int = 0) -> Result:
    """Run a command."""
    result = CliRunner().invoke(build_cli(plugins), arguments)
    assert result.exit_code == code, result.output
    return result


def load() -> ModelWrapper:
    """Stand for a model that generators are handed and do not use."""
    return cast(ModelWrapper, "the model")


def test_a_generator_gets_its_argument_colons_and_all(manager: PersonaManager) -> None:
    assert find_generator(manager, "arguing:a:b/c.csv") == Arguing(told="a:b/c.csv")
    assert find_generator(manager, "arguing") == Arguing()


def test_a_generator_that_takes_no_argument_is_given_none(manager: PersonaManager) -> None:
    with pytest.raises(PluginError, match="'templates' takes no argument; it was given 'x.csv'"):
        find_generator(manager, "templates:x.csv")
    with pytest.raises(PluginError, match="did you mean 'arguing'"):
        find_generator(manager, "argueing:x.csv")


def test_the_model_is_loaded_for_those_that_write_with_it_alone(manager: PersonaManager) -> None:
    assert find_generator(manager, "writing", load) == Writing(told="the model")
    assert find_generator(manager, "templates", lambda: pytest.fail("it is loaded")) == Templates()
    with pytest.raises(PluginError, match="'writing' writes with a model, and none is loaded here"):
        find_generator(manager, "writing")


def test_create_keeps_the_dataset_of_a_generator_where_extraction_would_make_another(
    manager: PersonaManager, plugins: PluginManager
) -> None:
    told = invoke(plugins, "create", "elder", "--generator", "arguing:kind", "--no-extract").output
    assert str(manager.workspace.archetypes / "elder.yaml") in told
    assert f"{manager.workspace.persona_datasets / 'elder.yaml'}, which is what extraction reads" in told
    assert persona_dataset(manager, "elder").default_prompts == ("You are kind.",)
    assert manager.archetype("elder").description == "one that is kind"


def test_create_with_the_templates_leaves_the_dataset_to_the_archetype(
    manager: PersonaManager, plugins: PluginManager
) -> None:
    invoke(plugins, "create", "elder", "--description", "an elder", "--no-extract")
    assert not (manager.workspace.persona_datasets / "elder.yaml").exists()
    assert persona_dataset(manager, "elder") == Templates().persona(manager.archetype("elder"), 5, 20)


def test_create_never_writes_over_a_dataset_that_somebody_has_edited(
    manager: PersonaManager, plugins: PluginManager
) -> None:
    path = manager.workspace.persona_datasets / "elder.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("name: elder\n")
    told = invoke(plugins, "create", "elder", "--generator", "arguing:kind", "--no-extract", code=1)
    assert "elder.yaml is there and was edited" in told.stderr
    assert path.read_text() == "name: elder\n"
    assert "elder" not in manager.archetypes


def test_create_says_that_axes_are_missing_before_it_writes_anything(
    manager: PersonaManager, plugins: PluginManager, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    options = ("--description", "an elder", "--model", str(tmp_path / "other"))
    assert "extract-axes" in invoke(plugins, "create", "elder", *options, code=1).stderr
    assert not manager.workspace.archetypes.exists()


def test_datasets_of_some_personas_are_generated_by_name(manager: PersonaManager, plugins: PluginManager) -> None:
    told = invoke(plugins, "datasets", "generate", "personas", "sage", "creator", "--generator", "arguing:kind").output
    assert told.startswith("wrote 2 datasets")
    assert sorted(path.stem for path in manager.workspace.persona_datasets.iterdir()) == ["creator", "sage"]
    assert persona_dataset(manager, "sage").default_prompts == ("You are kind.",)


def test_names_that_cannot_be_meant_are_refused(manager: PersonaManager, plugins: PluginManager) -> None:
    assert "'sage'" in invoke(plugins, "datasets", "generate", "personas", "sagee", code=1).stderr
    assert "give no names" in invoke(plugins, "datasets", "generate", "safety", "sage", code=2).stderr


@pytest.mark.parametrize(
    ("description", "phrase"),
    [
        ("A grumpy pirate captain.", "a grumpy pirate captain"),
        ("You are the last lighthouse keeper!", "the last lighthouse keeper"),
        ("act as someone who fears the sea", "someone who fears the sea"),
        ("Napoleon", "Napoleon"),
    ],
)
def test_a_description_becomes_what_follows_you_are(description: str, phrase: str) -> None:
    assert as_noun_phrase(description) == phrase


@pytest.mark.parametrize("description", ["", " . "])
def test_an_empty_description_is_refused(description: str) -> None:
    with pytest.raises(DatasetError, match="the description is empty"):
        as_noun_phrase(description)


def test_held_out_requests_share_no_deed_and_more_than_one_wording_with_the_training_ones() -> None:
    data = Templates().safety()
    assert len(data.heldout) == -(-len([*data.train, *data.heldout]) // 4)
    assert not {pair.request for pair in data.heldout} & {pair.request for pair in data.train}
    assert len({pair.request.split()[0] for pair in data.heldout}) > 1
