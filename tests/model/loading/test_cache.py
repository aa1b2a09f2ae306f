"""A model of the cache is whole or absent, made once, and every failure names the way out."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pytest

from persona_core.errors import ModelError
from persona_core.model.loading.cache import CACHE_VARIABLE, CachedModel, cache_root, check_room
from persona_core.settings.model_source import Notify


@dataclass
class Maker:
    """Makes a model of one file, after an error where one is given; counts how often it is asked."""

    error: BaseException | None = None
    made: list[Path] = field(default_factory=list)

    def __call__(self, work: Path, model: Path, report: Notify) -> None:
        """Write the model."""
        self.made.append(model)
        (work / "leaving").write_text("x")
        model.mkdir()
        (model / "whole").write_text("yes")
        if self.error is not None:
            raise self.error


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache at an empty folder."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def model(make: Maker) -> CachedModel:
    """Return a model that is whole where its one file is."""
    return CachedModel("tiny", "Tiny", lambda folder: (folder / "whole").is_file(), make)


def held(cache: Path) -> list[str]:
    """Return what the cache holds beside its locks."""
    return sorted(path.name for path in (cache / "models").iterdir() if path.suffix != ".lock")


def ignore(line: str) -> None:
    """Show nothing."""


def test_a_model_is_made_once_and_nothing_else_stays(cache: Path) -> None:
    make = Maker()
    folders = [model(make).fetch(ignore) for _ in range(2)]
    assert folders == [cache / "models" / "tiny"] * 2
    assert (len(make.made), held(cache)) == (1, ["tiny"])
    assert [path.name for path in folders[0].iterdir()] == ["whole"]


def test_two_that_ask_at_once_make_it_once(cache: Path) -> None:
    make, lines = Maker(), list[str]()
    threads = [Thread(target=model(make).fetch, args=(lines.append,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(make.made) == 1
    assert set(lines) <= {"another process is preparing Tiny; waiting for it"}


@pytest.mark.parametrize("error", [ModelError("no"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_failure_leaves_nothing_and_the_next_call_makes_it(cache: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        model(Maker(error)).fetch(ignore)
    assert held(cache) == []
    assert model(Maker()).fetch(ignore).is_dir()


def test_remains_of_a_killed_run_are_removed_and_never_used(cache: Path) -> None:
    for name in ("tiny.partial/model", "tiny.partial/work", "tiny"):
        (cache / "models" / name).mkdir(parents=True)
        (cache / "models" / name / "half").write_text("half")
    model(Maker()).fetch(ignore)
    assert held(cache) == ["tiny"]
    assert [path.name for path in (cache / "models" / "tiny").iterdir()] == ["whole"]


def test_a_full_disk_names_what_is_needed_and_another_folder(cache: Path) -> None:
    def make(work: Path, folder: Path, report: Notify) -> None:
        check_room(work, 10**18)

    with pytest.raises(ModelError, match=rf"1000000000\.0 GB are needed.*{CACHE_VARIABLE}"):
        CachedModel("tiny", "Tiny", Path.is_dir, make).fetch(ignore)


def test_the_variable_is_an_absolute_folder_and_without_it_the_users_cache_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "~/models")
    assert cache_root() == Path.home() / "models"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_root().is_absolute()
