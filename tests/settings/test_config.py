"""Configuration: every wrong key and value is named."""

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from persona_core.base.layers import resolve_layers
from persona_core.errors import ConfigError, PersonaError
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.opening import get_config
from persona_core.settings.config import Config, keys, split_key
from persona_core.settings.installed import PluginManager
from persona_core.settings.workspace import Workspace


@pytest.fixture(scope="module")
def plugins() -> PluginManager:
    """The built-in plugin alone."""
    return load_plugins(installed=[])


def configured(folder: Path, text: str, plugins: PluginManager, model: str | None = None) -> Config:
    """Read a configuration with this text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return get_config(folder, model=model, plugins=plugins)


def test_without_a_file_the_defaults_hold(tmp_path: Path, plugins: PluginManager) -> None:
    config = get_config(tmp_path / "none", plugins=plugins)
    assert config.model_dump() == Config().model_dump()
    assert config.workspace == Workspace(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_default_depths_are_the_production_layers_of_28() -> None:
    assert resolve_layers(Config().extraction.target_layers, 28) == tuple(range(14, 22))
    assert resolve_layers(Config().steering.capping_layers, 28) == tuple(range(18, 26))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "steering:\n  default_strenght: 1",
            "no configuration key 'steering.default_strenght'; did you mean 'steering.default_strength'",
        ),
        ("extration:\n  seed: 1", "no configuration key 'extration'; did you mean 'extraction.seed'"),
        ("extraction:\n  seed: many", "extraction.seed = 'many': Input should be a valid integer"),
        ("extraction:\n  target_layers: 21-14", "extraction.target_layers = '21-14': '21-14' runs backwards"),
        ("extraction:\n  target_layers: {a: 1}", "extraction.target_layers = {'a': 1}"),
        ("steering:\n  capping_layers: 90%-120%", "more than the whole model"),
        ("steering:\n  default_strength: 2.5", "steering.default_strength = 2.5: Input should be less than"),
        ("steering:\n  default_strength: .nan", "steering.default_strength = nan"),
        ("steering:\n  safety: maybe", "steering.safety = 'maybe': use on, always or off"),
        ("steering:\n  safety: 1", "steering.safety = 1: use on, always or off"),
        ("steering:\n  capping_policy: ../evil", "steering.capping_policy"),
        ("model:\n  device: gpu", "model.device = 'gpu'"),
        ("model:\n  dtype: int3", "model.dtype = 'int3'"),
        ("model: tiny", "model = 'tiny'"),
        ("extraction:\n  reference_archetypes: [sage]", "extraction.reference_archetypes"),
        ("- a list", "expected sections such as `model:`, found list"),
        ("model: [", "line 2, column 1"),
        ("extraction:\n  seed: 0x_", "invalid literal"),
        ("extraction:\n  seed: 2020-13-45", "month must be in 1..12"),
    ],
)
def test_a_wrong_file_names_the_key_and_the_value(
    tmp_path: Path, plugins: PluginManager, text: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, text, plugins)
    assert str(caught.value).startswith(str(tmp_path / "config.yaml"))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "# persona-steer\n", "steering:\n", "steering:\n  # safety: false\n"])
def test_an_empty_file_or_section_means_the_defaults(tmp_path: Path, plugins: PluginManager, text: str) -> None:
    assert configured(tmp_path, text, plugins).model_dump() == Config().model_dump()


@given(text=st.text(max_size=60) | st.text(":-[]{}\n a1&*!#'\"", max_size=30).map(lambda text: f"model:\n {text}"))
@example(text="1: 2")
@example(text="model: &a {name: *a}")
@example(text="\udc00")
def test_any_text_is_a_configuration_or_refused(scratch: Path, plugins: PluginManager, text: str) -> None:
    folder = scratch / "config"
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(get_config(folder, plugins=plugins), Config)
    except PersonaError as error:
        assert "config.yaml" in str(error)


section_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())


@given(st.dictionaries(st.sampled_from(sorted(keys())), section_values, min_size=1, max_size=3))
def test_any_value_of_a_key_is_taken_or_refused_by_name(values: dict[str, object]) -> None:
    try:
        config = Config().replace(values)
    except ConfigError as error:
        assert any(key in str(error) for key in values)
    else:
        assert Config.model_validate(config.model_dump()).model_dump() == config.model_dump()


@pytest.mark.parametrize(
    ("written", "safety"),
    [("on", True), ("off", False), ("true", True), ("'on'", True), ("'off'", False), ("always", "always")],
)
def test_safety_may_be_written_as_commands_take_it(
    tmp_path: Path, plugins: PluginManager, written: str, safety: object
) -> None:
    assert configured(tmp_path, f"steering:\n  safety: {written}", plugins).steering.safety == safety


def test_layers_may_be_written_as_text_list_or_number(tmp_path: Path, plugins: PluginManager) -> None:
    for written, read in (("8-15", "8-15"), ("[8, 9]", "8,9"), ("8", "8"), ("0.5", "0.5"), ("50%-75%", "50%-75%")):
        config = configured(tmp_path, f"extraction:\n  target_layers: {written}", plugins)
        assert config.extraction.target_layers == read


def test_replace_validates_and_leaves_the_original(tmp_path: Path) -> None:
    config = Config()
    assert config.replace({"extraction.seed": 7}).extraction.seed == 7
    assert config.extraction.seed == 0
    with pytest.raises(ConfigError, match=r"did you mean 'extraction\.seed'"):
        config.replace({"extraction.sed": 7})
    with pytest.raises(ConfigError, match=r"extraction\.seed = -1"):
        config.replace({"extraction.seed": -1})


def test_every_key_has_a_description_and_splits() -> None:
    assert all(keys().values())
    data = Config().model_dump()
    assert set(keys()) == {f"{section}.{name}" for section, values in data.items() for name in values}
    for key in keys():
        assert ".".join(split_key(key)) == key


def test_the_dumped_configuration_reads_back_equal(tmp_path: Path, plugins: PluginManager) -> None:
    text = yaml.safe_dump(Config().model_dump(mode="json"))
    assert configured(tmp_path, text, plugins).model_dump() == Config().model_dump()
