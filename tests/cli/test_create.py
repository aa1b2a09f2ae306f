"""`create` makes a persona that speaks, from a description or from another archetype."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


BASE = ["creator", "explorer", "guardian", "sage", "trickster"]


def test_create_from_a_description_writes_an_archetype(run: Run, workspace_folder: Path) -> None:
    run("create", "pirate", "--description", "a grumpy pirate", "--no-extract")
    assert "a grumpy pirate" in (workspace_folder / "archetypes" / "pirate.yaml").read_text()
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["pirate"]["source"] == "workspace"


def test_create_from_an_archetype_adds_the_description(run: Run) -> None:
    run("create", "elder", "--from-archetype", "sage", "--description", "Speak of the harvest.", "--no-extract")
    run("create", "twin", "--from-archetype", "sage", "--no-extract")
    assert "harvest" in run("datasets", "show", "elder").stdout
    sage, twin = (run("datasets", "show", name).stdout.splitlines()[2:] for name in ("sage", "twin"))
    assert sage == twin


@pytest.mark.usefixtures("model")
def test_create_from_a_description_makes_a_persona_that_speaks(run: Run, tiny: None, workspace_folder: Path) -> None:
    done = run("create", "pirate", "--description", "a grumpy pirate captain")
    assert f"wrote {workspace_folder / 'archetypes' / 'pirate.yaml'}" in done.stdout
    assert "pirate: 4 replies" in done.stdout
    assert "pirate: calibration, direct: 32 of 32" in done.stderr
    assert "pirate: calibration, guided: 32 of 32" in done.stderr
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["pirate"]["dose"] > 0
    assert rows["pirate"]["source"] == "workspace"
    found = json.loads(run("info", "pirate", "--json").stdout)
    assert found["description"] == "a grumpy pirate captain"
    assert found["archetype"] == "pirate"
    assert found["file"].startswith(str(workspace_folder))
    assert "strength 1.0   adds " in run("info", "pirate").stdout
    said = run("generate", "What is fire?", "--persona", "pirate", "--max-new-tokens", "6")
    assert said.stdout.strip()
    assert said.stderr.startswith("[pirate at strength 1, guidance 2: ")


@pytest.mark.usefixtures("model")
def test_create_from_an_archetype_makes_a_persona_that_speaks(run: Run, tiny: None) -> None:
    run("create", "elder", "--from-archetype", "sage", "--description", "Speak of the harvest.")
    found = json.loads(run("info", "elder", "--json").stdout)
    assert found["description"] == "Speak of the harvest."
    assert found["cosines_with_personas"].keys() == set(BASE)
    data = json.loads(run("generate", "Hi", "--persona", "elder", "--json", "--max-new-tokens", "6").stdout)
    assert data["receipt"]["personas"] == {"elder": 1.0}
    assert data["receipt"]["relative_change"]
