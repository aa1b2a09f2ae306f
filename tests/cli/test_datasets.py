"""`datasets` writes and shows the text that extraction reads."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]


def test_datasets_are_written_shown_and_kept_when_edited(run: Run, workspace_folder: Path) -> None:
    assert "not written" in run("datasets", "show").stdout
    run("datasets", "generate", "safety")
    run("datasets", "generate", "personas")
    assert "not written" not in run("datasets", "show").stdout
    assert "persona_prompts:" in run("datasets", "show", "sage").stdout
    assert "refusal:" in run("datasets", "show", "safety").stdout
    safety = workspace_folder / "datasets" / "safety" / "safety.yaml"
    safety.write_text(safety.read_text() + "# mine\n")
    assert "(edited)" in run("datasets", "generate", "safety").stdout
    assert "wrote" in run("datasets", "generate", "safety", "--force").stdout
    assert "# mine" not in safety.read_text()
