"""Files appear whole or not at all, and errors name the file."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_core.base.files import LineCache, append_lines, read_text, replace_atomically, write_atomically
from persona_core.errors import WorkspaceError


@given(before=st.binary(), after=st.binary())
def test_a_write_replaces_the_whole_content(scratch: Path, before: bytes, after: bytes) -> None:
    path = scratch / "atomic" / "file.bin"
    write_atomically(path, before)
    write_atomically(path, after)
    assert path.read_bytes() == after
    assert list(path.parent.iterdir()) == [path]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")))
def test_text_reads_back(scratch: Path, text: str) -> None:
    path = scratch / "text" / "file.txt"
    write_atomically(path, text)
    assert read_text(path) == text


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, stop: type[BaseException]) -> None:
    path = tmp_path / "folder" / "file.txt"
    write_atomically(path, "old")

    def half(temporary: Path) -> None:
        temporary.write_text("ne")
        raise stop

    with pytest.raises(stop):
        replace_atomically(path, half)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_a_workspace_error_that_names_the_file(tmp_path: Path) -> None:
    def full(temporary: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(WorkspaceError, match=r"cannot write .*file\.txt: No space left on device"):
        replace_atomically(tmp_path / "file.txt", full)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [lambda path: write_atomically(path, "x"), lambda path: append_lines(path, ["x"])])
def test_a_file_in_place_of_a_folder_is_a_workspace_error(tmp_path: Path, write: object) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match=r"cannot write .*inside\.txt"):
        write(tmp_path / "file" / "inside.txt")  # type: ignore[operator]


def test_a_folder_in_place_of_the_file_is_a_workspace_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(WorkspaceError, match=r"cannot write .*folder"):
        write_atomically(tmp_path / "folder", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_lines_are_appended_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lines.jsonl"
    append_lines(path, ["one", "two"])
    append_lines(path, [])
    append_lines(path, ["three"])
    assert path.read_text() == "one\ntwo\nthree\n"


def test_reading_what_is_no_text_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("file.txt", "missing.txt", "."):
        with pytest.raises(WorkspaceError, match="cannot read"):
            read_text(tmp_path / name)


def test_a_line_cache_resumes_with_the_entries_of_the_last_run(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "replies.jsonl"
    LineCache.open(path, "tokens").add({"a": [1, 2], "b": []})
    LineCache.open(path, "tokens").add({"a": [3]})
    assert LineCache.open(path, "tokens").entries == {"a": [3], "b": []}


def test_a_line_cache_skips_what_is_no_entry_of_its_content(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    append_lines(path, ['{"key": "a", "tokens": [1]}', '{"key": "b", "scores": [1]}', "[]", '{"key": "c", "tok'])
    assert LineCache.open(path, "tokens").entries == {"a": [1]}


def test_a_line_cache_without_a_path_stays_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = LineCache.open(None, "tokens")
    cache.add({"a": [1]})
    assert cache.entries == {"a": [1]}
    assert list(tmp_path.iterdir()) == []


APPENDS = """
import sys
from pathlib import Path
from persona_core.base.files import append_lines
for turn in range(40):
    append_lines(Path(sys.argv[1]), [sys.argv[2] * 20_001])
"""


def test_long_lines_that_two_processes_append_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "log"
    commands = [[sys.executable, "-c", APPENDS, str(path), letter] for letter in "ab"]
    started = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in started] == [0, 0]
    assert sorted(read_text(path).splitlines()) == ["a" * 20_001] * 40 + ["b" * 20_001] * 40


def test_a_file_keeps_its_mode_and_a_new_one_obeys_the_umask(tmp_path: Path) -> None:
    private, new = tmp_path / "private", tmp_path / "new"
    private.write_text("mine")
    private.chmod(0o600)
    before = os.umask(0o027)
    try:
        write_atomically(private, "still mine")
        write_atomically(new, "ours")
    finally:
        os.umask(before)
    assert (stat.S_IMODE(private.stat().st_mode), stat.S_IMODE(new.stat().st_mode)) == (0o600, 0o640)


def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real, link = tmp_path / "dotfiles" / "real.yaml", tmp_path / "config.yaml"
    real.write_text("before")
    link.symlink_to("dotfiles/real.yaml")
    write_atomically(link, "after")
    assert link.is_symlink()
    assert real.read_text() == "after"
    assert list(tmp_path.glob(".*")) == list((tmp_path / "dotfiles").glob(".*")) == []


def test_an_append_that_fails_is_cut_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    append_lines(path, ["first"])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkspaceError, match="No space left on device"):
        append_lines(path, ["second"])
    monkeypatch.undo()
    append_lines(path, ["third"])
    assert path.read_text() == "first\nthird\n"
