"""The demo shows replies from ready-made vectors first, and then extracts a persona, which Ctrl-C skips."""

from pathlib import Path

import pytest
from terminals import CTRL_C, Terminal

from persona_core import get_config
from persona_core.cli.demo import LIVE

NAMES = ("creator", "explorer", "guardian", "sage", "trickster")


@pytest.mark.usefixtures("model")
def test_replies_come_first_and_ctrl_c_keeps_them(workspace_folder: Path, tmp_path: Path) -> None:
    workspace_folder.mkdir()
    terminal = Terminal("--question", "What is fire?", command="demo", TMPDIR=str(tmp_path))
    try:
        terminal.expect("loading the model")
        terminal.expect("Answering as unsteered, creator, explorer, guardian, sage, trickster: What is fire")
        terminal.expect(r"\[unsteered, \d+ tokens; safety not needed")
        for name in NAMES:
            terminal.expect(rf"\[{name} at strength 1, guidance 2: .*?floor held in layers")
        terminal.expect(f"Extracting {LIVE} here and now")
        terminal.expect(f"{LIVE}: replies")
        terminal.type(CTRL_C)
        terminal.expect(rf"Skipped\. `persona-steer --workspace .* extract {LIVE}` goes on")
        terminal.expect("Try next:")
        assert terminal.ended() == 0
    finally:
        terminal.close()
    (folder,) = tmp_path.glob("persona-steer-*")
    assert get_config(folder).model.name == "smollm2"
    assert not list((folder / "vectors").rglob("*.safetensors"))
