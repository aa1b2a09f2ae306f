"""Workspace state: written whole, read back, and a damaged file is named."""

from pathlib import Path

import pytest

from persona_core.errors import WorkspaceError
from persona_core.personas.state import WorkspaceState, read_state, write_state


def test_a_state_reads_back_and_no_file_is_an_empty_state(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert read_state(path) == WorkspaceState()
    state = WorkspaceState(loaded={"tiny": ["sage"]}, hidden={"tiny": ["creator"]})
    write_state(path, state)
    assert read_state(path) == state
    assert state.hidden_personas("tiny") == {"creator"}
    assert state.hidden_personas("another") == set()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"loaded": 3}', '{"unknown": {}}', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_damaged_state_names_its_file_and_what_to_do(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(WorkspaceError, match=r"state\.json"):
        read_state(path)
