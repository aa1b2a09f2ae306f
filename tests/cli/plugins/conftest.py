"""Commands about packages, with every installed package allowed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from persona_core.cli import build_cli
from persona_core.settings.plugin_choice import PLUGINS_VARIABLE

Run = Callable[..., Result]


@pytest.fixture
def run(workspace_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command, which loads the packages anew each time."""
    monkeypatch.delenv(PLUGINS_VARIABLE, raising=False)
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2  # small\n")

    def invoke(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(build_cli(), words)
        assert result.exit_code == code, result.output
        return result

    return invoke
