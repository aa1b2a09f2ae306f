import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from persona_archetypes_files import archives, register_archetypes
from persona_archetypes_files.__main__ import command
from persona_archetypes_files.collecting import collect, read_archetype
from persona_archetypes_files.places import FOLDER, VARIABLE
from persona_archetypes_files.reading import LONGEST_FILE

from persona_core import Archetype, archetypes_from
from persona_core.errors import ArchetypeError
from persona_core.testing import check_archetype

PUBLISHED = Path(__file__).parent / "published"
NAMES = ["role-ascetic", "role-pirate", "trait-ascetic", "trait-casual"]
GOOD = {"instruction": [{"pos": "Speak as a hermit."}], "questions": ["What is rest?", "Why wait?"]}
Pack = Callable[[Path, dict[str, bytes]], None]


def pack_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def pack_tar(path: Path, members: dict[str, bytes]) -> None:
    mode: Any = {".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


ARCHIVES = [("a.zip", pack_zip), *((f"a.{end}", pack_tar) for end in ("tar", "tar.gz", "tgz", "tar.xz", "tar.bz2"))]


def published() -> dict[str, bytes]:
    return {f"main/data/{path.relative_to(PUBLISHED)}": path.read_bytes() for path in PUBLISHED.rglob("*.json")}


def good() -> bytes:
    return json.dumps(GOOD).encode()


def names(found: list[Any]) -> list[str]:
    return sorted(item.name for item in found if isinstance(item, Archetype))


def errors(found: list[Any]) -> list[str]:
    assert all(isinstance(item, Archetype | ArchetypeError) for item in found)
    return [str(item) for item in found if isinstance(item, ArchetypeError)]


@pytest.mark.parametrize("archetype", collect([PUBLISHED]), ids=str)
def test_every_published_file_can_make_a_usable_vector(archetype: Archetype) -> None:
    check_archetype(archetype, prompts=5, questions=40)


def test_traits_and_roles_of_one_name_are_two_archetypes_and_the_assistant_is_none() -> None:
    assert names(collect([PUBLISHED])) == NAMES
    assert len(collect([PUBLISHED])) == 4


def test_a_trait_takes_what_brings_it_out_and_its_published_definition() -> None:
    data = json.loads((PUBLISHED / "traits/casual.json").read_text())
    archetype = next(item for item in collect([PUBLISHED / "traits"]) if names([item]) == ["trait-casual"])
    assert isinstance(archetype, Archetype)
    assert list(archetype.system_prompts) == [one["pos"] for one in data["instruction"]]
    assert list(archetype.questions) == data["questions"]
    assert archetype.description.startswith("This means using a relaxed, conversational tone")
    assert "Prompt:" not in archetype.description


def test_a_file_without_questions_takes_the_base_bank_and_without_a_definition_its_first_prompt(tmp_path: Path) -> None:
    (tmp_path / "hermit.json").write_text('{"instruction": [{"pos": "Speak as a hermit."}]}')
    (found,) = collect([tmp_path])
    assert isinstance(found, Archetype)
    assert found.questions == archetypes_from("persona_archetypes_base")[0].questions
    assert found.description == "Speak as a hermit."


@pytest.mark.parametrize(("name", "pack"), ARCHIVES, ids=[name for name, _ in ARCHIVES])
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, name: str, pack: Pack) -> None:
    pack(tmp_path / name, published() | {"main/README.md": b"#", "main/._x.json": b"\0", "main/.git/y.json": b"\0"})
    assert collect([tmp_path / name]) == collect([PUBLISHED])
    assert names(collect([tmp_path / name / "main/data/roles"])) == NAMES[:2]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "bad.json is not JSON: "),
        (b"\xff\xfe\x00", "bad.json is not JSON: "),
        (b"[" * 100_000, "bad.json is not JSON: "),
        (b'{"questions": ["What?"]}', "bad.json: instruction: Field required; expected"),
        (b'{"instruction": []}', "bad.json: instruction: Tuple should have at least 1 item"),
        (b'{"instruction": [{"neg": "x"}]}', "bad.json: instruction.0.pos: Field required; expected"),
        (b'{"instruction": [{"pos": " "}]}', "bad.json: instruction.0.pos: "),
        (b'{"instruction": [{"pos": "x"}], "questions": "Why?"}', "bad.json: questions: "),
        (b" " * (LONGEST_FILE + 1), "bad.json is longer than 1048576 bytes"),
    ],
)
@pytest.mark.parametrize("pack", [None, pack_zip, pack_tar])
def test_a_file_that_cannot_be_read_is_named_and_the_others_work(
    tmp_path: Path, content: bytes, problem: str, pack: Pack | None
) -> None:
    place = tmp_path / "files"
    if pack:
        pack(place, {"bad.json": content, "hermit.json": good()})
    else:
        place.mkdir()
        (place / "bad.json").write_bytes(content)
        (place / "hermit.json").write_bytes(good())
    found = collect([place])
    assert names(found) == ["role-hermit"]
    (error,) = errors(found)
    assert error.startswith(f"{place}/{problem}")


def test_json_of_another_kind_is_left_out_but_not_where_there_is_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "role_list.json").write_text('{"pirate": "A sailor."}')
    (tmp_path / "list.json").write_text("[1, 2]")
    (error,) = errors(collect([tmp_path]))
    assert error.startswith(f"{tmp_path} has no persona file; expected")
    (tmp_path / "hermit.json").write_bytes(good())
    assert names(collect([tmp_path])) == ["role-hermit"]
    assert not errors(collect([tmp_path]))


@settings(deadline=None)
@given(stem=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=70))
def test_any_file_name_gives_a_safe_name_or_an_error(stem: str) -> None:
    place = PurePosixPath(f"x/{stem}.json")
    with suppress(ArchetypeError):
        check_archetype(read_archetype(GOOD, place), prompts=1, questions=2)


@pytest.mark.parametrize("stem", ["!!!", "a" * 60, "賢者"])
def test_a_name_that_cannot_be_made_safe_is_an_error(stem: str) -> None:
    with pytest.raises(ArchetypeError, match="rename it"):
        read_archetype(GOOD, PurePosixPath(f"x/{stem}.json"))


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("APE", "role-ape"),
        ("Café Owner", "role-cafe-owner"),
        ("devils_advocate", "role-devils_advocate"),
        ("-x-", "role-x"),
    ],
)
def test_names_are_made_safe(tmp_path: Path, stem: str, name: str) -> None:
    (tmp_path / f"{stem}.json").write_bytes(good())
    assert names(collect([tmp_path])) == [name]


def test_of_two_files_of_one_name_none_is_taken(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "hermit.json").write_bytes(good())
    found = collect([tmp_path, PUBLISHED])
    assert names(found) == NAMES
    (error,) = errors(found)
    assert error.startswith("2 files give 'role-hermit', and none is taken: ")
    assert "one/hermit.json" in error
    assert "two/hermit.json" in error


def test_a_file_that_two_places_lead_to_is_taken_once() -> None:
    assert collect([PUBLISHED, PUBLISHED / "roles", PUBLISHED / "roles/pirate.json"]) == collect([PUBLISHED])


def test_a_json_file_holds_no_other_files() -> None:
    (error,) = errors(collect([PUBLISHED / "roles/pirate.json/x"]))
    assert error.startswith(f"cannot read the archive {PUBLISHED}/roles/pirate.json: ")


@pytest.mark.parametrize(("name", "pack"), [("a.zip", pack_zip), ("a.tar.gz", pack_tar)])
@pytest.mark.parametrize("member", ["../evil.json", "/evil.json", "x/../../evil.json"])
def test_a_member_that_leads_out_of_its_archive_is_refused(tmp_path: Path, name: str, pack: Pack, member: str) -> None:
    pack(tmp_path / name, {member: good(), "hermit.json": good()})
    found = collect([tmp_path / name])
    assert names(found) == ["role-hermit"]
    assert errors(found) == [f"{tmp_path / name}: {member!r} leads out of it"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_in_a_tar_archive_is_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("link.json")
        link.type, link.linkname = kind, "/etc/hostname"
        archive.addfile(link)
    assert "a.tar/link.json is a link or no file" in errors(collect([tmp_path / "a.tar"]))[0]


def test_a_link_in_a_zip_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/hostname")
    assert "a.zip/link.json is a link or no file" in errors(collect([tmp_path / "a.zip"]))[0]


def test_a_link_out_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_bytes(good())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "hermit.json").symlink_to(tmp_path / "out.json")
    (tmp_path / "in" / "same.json").symlink_to(tmp_path / "in" / "other.json")
    (tmp_path / "in" / "other.json").write_bytes(good())
    found = collect([tmp_path / "in"])
    assert names(found) == ["role-other", "role-same"]
    assert "is a link that leads out of" in errors(found)[0]


@pytest.mark.parametrize(("name", "pack"), [("a.zip", pack_zip), ("a.tar", pack_tar), ("a.tar.xz", pack_tar)])
def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: Pack
) -> None:
    monkeypatch.setattr(archives, "LONGEST_ARCHIVE", 100_000)
    pack(tmp_path / name, {"hermit.json": good(), "zeros.json": bytes(200_000)})
    assert "unpacks to more than 100000 bytes" in errors(collect([tmp_path / name]))[0]


def test_a_zip_archive_with_a_password_is_refused(tmp_path: Path) -> None:
    pack_zip(tmp_path / "plain.zip", {"hermit.json": good()})
    content = bytearray((tmp_path / "plain.zip").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    assert "without a password" in errors(collect([tmp_path / "a.zip"]))[0]


@pytest.mark.parametrize(("name", "pack"), ARCHIVES, ids=[name for name, _ in ARCHIVES])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5])
def test_a_damaged_archive_is_an_error_that_names_it(tmp_path: Path, name: str, pack: Pack, keep: float) -> None:
    pack(tmp_path / name, published())
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(keep * len(content))])
    (tmp_path / "hermit.json").write_bytes(good())
    found = collect([tmp_path / name, tmp_path / "hermit.json"])
    assert names(found) == ["role-hermit"]
    (error,) = errors(found)
    assert error.startswith(f"cannot read the archive {tmp_path / name}: ")


@pytest.mark.parametrize("inner", ["", "nowhere"])
def test_a_place_that_is_not_there_is_an_error(tmp_path: Path, inner: str) -> None:
    pack_zip(tmp_path / "a.zip", published())
    place = tmp_path / "a.zip" / inner if inner else tmp_path / "absent"
    (error,) = errors(collect([place]))
    assert error.startswith(str(place))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / FOLDER).mkdir(parents=True)
    (home / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    monkeypatch.setenv("PERSONA_STEER_HOME", str(home))
    monkeypatch.delenv(VARIABLE, raising=False)
    return home


def test_without_files_there_are_no_archetypes_and_no_errors(workspace: Path) -> None:
    assert list(register_archetypes()) == []


def test_files_of_the_workspace_and_of_the_variable_are_found(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack_zip(workspace / FOLDER / "axis.zip", published())
    assert names(list(register_archetypes())) == NAMES
    (workspace / FOLDER / "hermit.json").write_bytes(good())
    assert names(list(register_archetypes())) == ["role-ascetic", "role-hermit", *NAMES[1:]]
    (workspace / FOLDER / "axis.zip").unlink()
    monkeypatch.setenv(VARIABLE, os.pathsep.join([str(PUBLISHED / "roles"), "", str(PUBLISHED / "traits")]))
    assert names(list(register_archetypes())) == ["role-ascetic", "role-hermit", *NAMES[1:]]


def test_the_installed_package_lists_them_and_warns_of_a_broken_file_without_torch(workspace: Path) -> None:
    pack_zip(workspace / FOLDER / "axis.zip", published() | {"bad.json": b"{"})
    program = "import sys; from persona_core import build_cli; build_cli()(['list', '--json'], standalone_mode=False)"
    program += "; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    listed = {row["name"]: row["source"] for row in json.loads(done.stdout)}
    assert {name: listed.get(name) for name in NAMES} == dict.fromkeys(NAMES, "persona-archetypes-files")
    assert "axis.zip/bad.json is not JSON" in done.stderr


def test_the_check_counts_archetypes_and_prints_problems(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(PUBLISHED)])
    assert done.exit_code == 0
    assert done.stdout.startswith("4 archetypes (2 roles, 2 traits) in ")
    (tmp_path / "hermit.json").write_bytes(good())
    done = CliRunner().invoke(command, [str(PUBLISHED), str(tmp_path)])
    assert done.exit_code == 1
    assert "role-hermit: fewer than 3 system prompts" in done.stderr
