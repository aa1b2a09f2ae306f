"""The README's Python examples run as written, on the real model."""

import re
from importlib.metadata import distributions
from pathlib import Path

import torch

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SHORT = {
    "extraction.max_new_tokens": 6,
    "extraction.fit_steps": 2,
    "extraction.calibration_questions": 2,
    "generation.max_new_tokens": 6,
}
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_examples_of_the_readme_run_and_load_the_plugins_once(workspace_folder, model, monkeypatch):
    from persona_core import PersonaManager, get_config
    from persona_core.cli import build_cli
    from persona_core.plugins import loading
    from persona_core.plugins.loading import load_plugins
    from persona_core.settings.config_file import set_values
    from persona_core.settings.workspace import Workspace

    build_cli(load_plugins())(["init", "--model", "smollm2"], standalone_mode=False)
    set_values(Workspace(workspace_folder), SHORT)
    searched = []  # once for each loading of plugins
    monkeypatch.setattr(loading, "distributions", lambda: searched.append("once") or distributions())
    names: dict[str, object] = {}
    assert len(BLOCKS) == 2
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    assert searched == ["once"]
    assert "my_persona" in PersonaManager(get_config()).names()
    assert torch.isfinite(names["activations"].raw_vector).all()
    assert all(reply.receipt.layers for reply in names["replies"])
