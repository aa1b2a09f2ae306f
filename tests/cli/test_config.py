"""`config` shows, reads and sets values, with the user's comments kept."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]


def test_config_show_lists_every_key_with_its_value(run: Run) -> None:
    shown = run("config", "show").stdout
    for line in run("config", "keys").stdout.splitlines():
        assert f"  {line.split()[0].partition('.')[2]}: " in shown
    assert json.loads(run("config", "show", "--json").stdout)["model"]["name"] == "smollm2"


def test_config_set_keeps_comments_and_get_reads_it_back(run: Run, workspace_folder: Path) -> None:
    run("config", "set", "steering.default_strength", "0.8")
    assert run("config", "get", "steering.default_strength").stdout == "0.8\n"
    assert "name: smollm2  # embedded" in (workspace_folder / "config.yaml").read_text()


def test_config_set_takes_lists_and_layers(run: Run) -> None:
    run("config", "set", "extraction.reference_archetypes", "[sage, trickster]")
    run("config", "set", "extraction.target_layers", "8,10,12-14")
    assert run("config", "get", "extraction.target_layers").stdout == "8,10,12-14\n"
    assert json.loads(run("config", "get", "extraction.reference_archetypes").stdout) == ["sage", "trickster"]


def test_config_set_of_an_alias_sets_what_its_package_recommends(run: Run) -> None:
    output = run("config", "set", "model.name", "smollm2").stdout
    assert 'extraction.target_layers = "25%-50%"  (recommended for smollm2)' in output


def test_config_set_of_another_model_takes_back_what_was_recommended_and_names_an_unknown_alias(run: Run) -> None:
    run("config", "set", "model.name", "smollm2")
    done = run("config", "set", "model.name", "smolm")
    assert 'extraction.target_layers = "50%-75%"  (the default; ' in done.stdout
    assert (
        "no installed package brings the model 'smolm', so it cannot be loaded until one does; there are" in done.stderr
    )
    assert "no installed package" not in run("config", "set", "model.name", "org/model").stderr


def test_config_path_is_the_file(run: Run, workspace_folder: Path) -> None:
    assert run("config", "path").stdout.strip() == str(workspace_folder / "config.yaml")


def test_a_configuration_whose_model_is_not_there_can_be_found_and_mended(run: Run, workspace_folder: Path) -> None:
    assert "write gguf:PATH" in run("config", "set", "model.name", "gguf", code=1).stderr
    config = workspace_folder / "config.yaml"
    assert "name: smollm2  # embedded" in config.read_text()
    config.write_text("# persona-steer\nmodel:\n  name: gguf\n")
    assert "write gguf:PATH" in run("list", code=1).stderr
    assert run("config", "path").stdout.strip() == str(config)
    run("config", "set", "model.name", "smollm2")
    run("list")
