"""The configuration file: a key changes where it stands, all else stays as it was written, a wrong value nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_core.base.records import read_yaml
from persona_core.errors import ConfigError
from persona_core.settings.config import Config, build_config, keys
from persona_core.settings.config_file import set_value, set_values, template, value_of
from persona_core.settings.workspace import MARK, Workspace

WRITTEN = f"""{MARK}
# my own note
model:
  name: 'smollm2'  # embedded
steering:
  default_strength: 1.5
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace whose file has comments and quotes."""
    (tmp_path / "config.yaml").write_text(WRITTEN)
    return Workspace(tmp_path)


def test_setting_a_key_changes_its_line_and_no_other(workspace: Workspace) -> None:
    config = set_value(workspace, "steering.default_strength", "0.5")
    assert config.steering.default_strength == 0.5
    assert workspace.config_file.read_text() == WRITTEN.replace("1.5", "0.5")


def test_a_key_of_a_section_that_is_not_there_is_added_at_the_end(workspace: Workspace) -> None:
    set_value(workspace, "extraction.target_layers", "8,10")
    assert workspace.config_file.read_text() == f"{WRITTEN}extraction:\n  target_layers: 8,10\n"


def test_a_file_that_is_not_there_is_made_with_its_mark(tmp_path: Path) -> None:
    set_values(Workspace(tmp_path), {"extraction.seed": 7, "model.name": "smollm2"})
    text = (tmp_path / "config.yaml").read_text()
    assert text.startswith(f"{MARK}\n")
    assert read_yaml(text) == {"extraction": {"seed": 7}, "model": {"name": "smollm2"}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"extraction.seed": 7, "steering.default_strength": 9}, "default_strength = 9"),
        ({"extraction.seed": 7, "extraction.sed": 1}, "did you mean 'extraction.seed'"),
    ],
)
def test_one_wrong_value_leaves_the_file_as_it_was(
    workspace: Workspace, values: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        set_values(workspace, values)
    assert workspace.config_file.read_text() == WRITTEN


@pytest.mark.parametrize("text", ["[1", "2020-13-45"])
def test_a_text_that_is_no_yaml_value_is_refused_with_its_key(workspace: Workspace, text: str) -> None:
    with pytest.raises(ConfigError, match=r"extraction\.seed = .* not a YAML value"):
        set_value(workspace, "extraction.seed", text)


def test_a_broken_file_is_refused_by_its_name_and_never_written_over(workspace: Workspace) -> None:
    workspace.config_file.write_text("model: [")
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        set_value(workspace, "extraction.seed", "1")
    assert workspace.config_file.read_text() == "model: ["


def test_the_template_reads_back_as_the_configuration_and_explains_every_key() -> None:
    config = Config().replace({"model.name": "smollm2", "extraction.reference_archetypes": ["sage", "trickster"]})
    text = template(config)
    assert build_config(read_yaml(text), Workspace(Path("home"))).model_dump() == config.model_dump()
    assert all(f"  # {description}\n" in text for description in keys().values())


@given(st.sampled_from(sorted(keys())))
def test_a_key_has_the_value_that_the_configuration_dumps(key: str) -> None:
    section, _, name = key.partition(".")
    assert value_of(Config(), key) == Config().model_dump(mode="json")[section][name]
