"""`extract` makes the vectors of archetypes."""

import json
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from persona_core.cli import build_cli
from persona_core.plugins.loading import load_plugins

Run = Callable[..., Result]


@pytest.mark.usefixtures("model")
def test_extract_of_an_installed_archetype_makes_its_first_vector(run: Run, tiny: None) -> None:
    assert "run `persona-steer extract chef`" in run("generate", "Hi", "--persona", "chef", code=1).stderr
    assert "chef: 4 replies" in run("extract", "chef").stdout
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["chef"]["dose"] > 0
    assert rows["chef"]["source"] == "persona-archetypes-professions"
    said = run("generate", "What is fire?", "--persona", "chef", "--max-new-tokens", "6")
    assert said.stderr.startswith("[chef at strength 1, guidance 2: ")


@pytest.mark.usefixtures("model")
def test_a_dataset_of_another_size_than_configured_is_said(run: Run, tiny: None) -> None:
    run("datasets", "generate", "personas", "chef")
    run("config", "set", "extraction.questions", "3")
    done = run("extract", "chef")
    assert "has 2 prompts × 2 questions; the configuration asks for 2 prompts × 3 questions" in done.stderr
    assert "chef: 4 replies" in done.stdout


@pytest.mark.usefixtures("model")
def test_extract_all_extracts_every_archetype(tiny: None, workspace_folder: Path) -> None:
    only_the_model = [found for found in distributions() if found.name == "persona-model-smollm2"]
    cli = build_cli(load_plugins(installed=only_the_model))
    done = CliRunner().invoke(cli, ["extract", "--all"])
    assert done.exit_code == 0, done.output
    assert "own: 4 replies" in done.stdout
    assert "other: 4 replies" in done.stdout
    made = workspace_folder / "vectors" / "smollm2-135m-instruct" / "personas"
    assert {path.stem for path in made.glob("*.safetensors")} == {"own", "other"}
