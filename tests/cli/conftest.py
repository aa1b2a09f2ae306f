"""The command line in a workspace of the embedded model, and settings that make extraction short."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from persona_core.base.files import write_atomically
from persona_core.cli import build_cli
from persona_core.extraction.generators import Templates
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import to_text
from persona_core.plugins.loading import load_plugins

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def cli() -> click.Group:
    return build_cli(load_plugins())


@pytest.fixture
def run(cli: click.Group, workspace_folder: Path) -> Run:
    """Return a function that runs a command in a workspace for the embedded model."""
    workspace_folder.mkdir(exist_ok=True)
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2  # embedded\n")

    def call(*arguments: str, stdin: str = "", code: int = 0) -> Result:
        result = CliRunner().invoke(cli, list(arguments), input=stdin)
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.fixture
def tiny(run: Run, workspace_folder: Path) -> None:
    """Make extraction and calibration short: few replies of few tokens, and one question that calibration asks."""
    settings = {"system_prompts": 2, "questions": 2, "max_new_tokens": 4, "batch_size": 4, "fit_steps": 2}
    settings["calibration_questions"] = 2
    for key, value in settings.items():
        run("config", "set", f"extraction.{key}", str(value))
    run("config", "set", "extraction.reference_archetypes", "[own, other]")
    questions = ["What is fire?", "How do I rest?", "Why read?"]
    for name in ("own", "other"):
        archetype = Archetype(
            name=name, description=name, system_prompts=(f"You are {name}.",) * 2, questions=questions
        )
        write_atomically(workspace_folder / "archetypes" / f"{name}.yaml", archetype.to_yaml())
    few = Templates().safety()
    few = few.model_copy(update={"train": few.train[:8], "heldout": few.heldout[:4]})
    write_atomically(workspace_folder / "datasets" / "safety" / "safety.yaml", to_text(few))
