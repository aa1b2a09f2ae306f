"""Where models that were fetched or converted live, and how they get there whole.

Everything is made in a `.partial` folder beside the target, and a complete model moves to its place in one
rename. A killed run leaves a `.partial` folder, never a broken model, and the next run removes it.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from persona_core.errors import ModelError
from persona_core.settings.model_source import Notify

CACHE_VARIABLE = "PERSONA_STEER_CACHE"


@dataclass(frozen=True)
class CachedModel:
    """A model of the cache: its folder's name, what users call it, when it is whole, and how it is made.

    `make` takes a folder to work in, the folder of the model, which it makes, and a function that shows a line.
    """

    folder: str
    title: str
    is_whole: Callable[[Path], bool]
    make: Callable[[Path, Path, Notify], None]

    def fetch(self, report: Notify) -> Path:
        """Return the model's folder; make it the first time.

        Raises `ModelError` where the cache cannot be written, and whatever `make` raises.
        """
        place = self.place()
        try:
            if not self.is_whole(place):
                self._fill(place, report)
        except OSError as error:
            raise ModelError(_unwritable(error)) from error
        return place

    def place(self) -> Path:
        """Return the folder that holds the model, or will."""
        return cache_root() / "models" / self.folder

    def _fill(self, place: Path, report: Notify) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _locked(place.with_name(f"{self.folder}.lock"), self.title, report):
            if not self.is_whole(place):
                self._build(place, report)

    def _build(self, place: Path, report: Notify) -> None:
        partial = place.with_name(f"{self.folder}.partial")
        _clear(partial, place)
        work, model = partial / "work", partial / "model"
        work.mkdir(parents=True)
        try:
            self.make(work, model, report)
            # Before the rename: a kill after it would leave files that no later run looks for.
            shutil.rmtree(work, ignore_errors=True)
            os.replace(model, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def cache_root() -> Path:
    """Return the cache folder: `$PERSONA_STEER_CACHE`, else the user's cache folder of `persona-steer`."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("persona-steer")


def check_room(folder: Path, size: int) -> None:
    """Raise `OSError` where the disk of `folder` has less than `size` bytes left."""
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {size / 1e9:.1f} GB are needed")


@contextmanager
def _locked(path: Path, title: str, report: Notify) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(f"another process is preparing {title}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _clear(*folders: Path) -> None:
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)


def _unwritable(error: OSError) -> str:
    return (
        f"cannot write the model cache {cache_root()}: {error}; make room there, "
        f"or set {CACHE_VARIABLE} to another folder"
    )
