"""Slash commands ask again, save, load and export a conversation."""

from pathlib import Path

import pytest
from chats import new_session, talk, type_line

from persona_core import SteeringEngine
from persona_core.chat.ask import Ask
from persona_core.chat.commands import Edit
from persona_core.errors import SteeringError, WorkspaceError


def test_retry_asks_the_last_question_with_another_seed_or_at_another_strength(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    seed = talk(session, "first").receipt.seed
    assert type_line(session, "/retry") == Ask("first", None, seed + 1, replacing=True)
    assert type_line(session, "/retry 0.5") == Ask("first", 0.5, seed, replacing=True)


def test_edit_gives_the_question_to_be_changed(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    talk(session, "frist")
    assert type_line(session, "/edit") == Edit("frist")
    assert type_line(session, "/edit first") == Ask("first", replacing=True)


def test_saving_loading_and_exporting(tiny_engine: SteeringEngine, tmp_path: Path) -> None:
    session = new_session(tiny_engine)
    with pytest.raises(SteeringError, match="nothing has been said"):
        type_line(session, "/save mine")
    session.set_personas({"sage": 1.0})
    talk(session)
    type_line(session, "/save mine")
    talk(session, "And water?")
    other = new_session(tiny_engine)
    assert "2 turns" in str(type_line(other, "/load mine"))
    assert other.notes == ["it goes on as sage at strength 1"]
    for name in ("talk.md", "talk.json"):
        type_line(other, f"/export {tmp_path / name}")
    assert "**You:** And water?" in (tmp_path / "talk.md").read_text()
    assert '"relative_change"' in (tmp_path / "talk.json").read_text()
    with pytest.raises(WorkspaceError, match="there already"):
        type_line(other, "/save mine")
