"""Session files: appended at once, and whole after any cut."""

from pathlib import Path

import pytest
from chats import turn
from hypothesis import given
from hypothesis import strategies as st

from persona_core.chat.log import (
    Event,
    SessionLog,
    interrupted_session,
    load_session,
    session_names,
    what_has_changed,
)
from persona_core.errors import WorkspaceError
from persona_core.vectors.file import ModelIdentity


@given(texts=st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1, max_size=4), cut=st.integers(0, 10_000))
def test_a_file_cut_anywhere_holds_the_turns_before_the_cut(
    texts: list[tuple[str, str]], cut: int, scratch: Path, identity: ModelIdentity
) -> None:
    log = SessionLog.new(scratch, identity)
    for user, text in texts:
        log.add(turn(user, text))
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[: cut % len(whole) + 1])
    try:
        again, found = load_session(scratch, log.name)
    except WorkspaceError as error:
        assert "holds no session" in str(error)
        assert b"\n" not in whole[: cut % len(whole) + 1]
    else:
        kept = whole[: cut % len(whole) + 1].count(b"\n") - 1
        assert [(each.user, each.text) for each in found.turns] == texts[:kept]
        again.add(turn("more"))
        assert load_session(scratch, log.name)[1].turns[-1].user == "more"
    finally:
        log.path.unlink()


def test_events_are_played_again(tmp_path: Path, identity: ModelIdentity) -> None:
    log = SessionLog.new(tmp_path, identity, "mine")
    entries = [turn("a"), turn("b"), Event(kind="undo"), Event(kind="system", text="Be brief."), turn("c")]
    for entry in entries:
        log.add(entry)
    _, found = load_session(tmp_path, "mine")
    assert [each.user for each in found.turns] == ["a", "c"]
    assert found.system == "Be brief."
    log.add(Event(kind="clear"))
    assert load_session(tmp_path, "mine")[1].turns == []


def test_a_chat_in_which_nothing_is_said_leaves_no_file(tmp_path: Path, identity: ModelIdentity) -> None:
    SessionLog.new(tmp_path, identity).end()
    assert session_names(tmp_path) == []


def test_a_session_that_was_not_ended_is_offered(tmp_path: Path, identity: ModelIdentity) -> None:
    log = SessionLog.new(tmp_path, identity, "one")
    log.add(turn())
    assert interrupted_session(tmp_path) == "one"
    log.end()
    assert interrupted_session(tmp_path) == ""


def test_names_stay_in_their_folder_and_are_not_taken_twice(tmp_path: Path, identity: ModelIdentity) -> None:
    SessionLog.new(tmp_path, identity, "one").add(turn())
    with pytest.raises(WorkspaceError, match="there already"):
        SessionLog.new(tmp_path, identity, "one")
    with pytest.raises(WorkspaceError, match="is not a session name"):
        load_session(tmp_path, "../one")
    with pytest.raises(WorkspaceError, match="did you mean 'one'"):
        load_session(tmp_path, "onne")


def test_another_model_or_vector_is_told(tmp_path: Path, identity: ModelIdentity) -> None:
    log = SessionLog.new(tmp_path, identity)
    log.add(turn(vectors={"sage": "aaaa", "gone": "bbbb"}))
    header, conversation = load_session(tmp_path, log.name)[0].header, load_session(tmp_path, log.name)[1]
    assert what_has_changed(header, conversation, identity, {"sage": "aaaa", "gone": "bbbb"}) == []
    other = identity.model_copy(update={"fingerprint": "f2", "name": "other"})
    found = what_has_changed(header, conversation, other, {"sage": "cccc"})
    assert [word for line, word in zip(found, ("other", "changed", "not there"), strict=True) if word in line] == [
        "other", "changed", "not there",
    ]  # fmt: skip


def test_a_wrong_line_is_named(tmp_path: Path, identity: ModelIdentity) -> None:
    log = SessionLog.new(tmp_path, identity, "one")
    log.add(turn())
    log.path.write_text(log.path.read_text() + '{"kind": "turn"}\n')
    with pytest.raises(WorkspaceError, match="line 3: user: Field required"):
        load_session(tmp_path, "one")
