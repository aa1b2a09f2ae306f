"""The ready-made personas of the embedded model."""

from pathlib import Path

import pytest

from persona_core.personas.manager import PersonaManager
from persona_core.plugins.opening import get_config


@pytest.fixture
def manager(workspace_folder: Path) -> PersonaManager:
    """A manager of the embedded model's ready-made personas, in a workspace of its own."""
    workspace_folder.mkdir(exist_ok=True)
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    return PersonaManager(get_config())
