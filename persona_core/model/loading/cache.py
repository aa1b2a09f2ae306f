"""The model cache: the folder that holds models that were downloaded or converted, each of them whole.

A model is made in a `.partial` folder beside its target, and one rename puts the finished model there. A killed run
leaves a `.partial` folder, never a broken model, and the next run removes it.
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
    """A model of the cache.

    `folder` is the name of its folder, and `title` what users call it. `is_whole` tells whether a folder holds all of
    it. `make` takes a folder to work in, the folder of the model, which it creates, and a function that shows a line.
    """

    folder: str
    title: str
    is_whole: Callable[[Path], bool]
    make: Callable[[Path, Path, Notify], None]

    def fetch(self, report: Notify) -> Path:
        """Return the model's folder, and make the model the first time.

        Raises `ModelError` where the cache cannot be written, and whatever `make` raises.
        """
        target = self.path()
        try:
            if not self.is_whole(target):
                self._fill(target, report)
        except OSError as error:
            raise ModelError(_unwritable(error)) from error
        return target

    def path(self) -> Path:
        """Return the folder that holds the model, or will hold it."""
        return cache_root() / "models" / self.folder

    def _fill(self, target: Path, report: Notify) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f"{self.folder}.lock"), self.title, report):
            if not self.is_whole(target):
                self._build(target, report)

    def _build(self, target: Path, report: Notify) -> None:
        partial = target.with_name(f"{self.folder}.partial")
        _clear(partial, target)
        work, model = partial / "work", partial / "model"
        work.mkdir(parents=True)
        try:
            self.make(work, model, report)
            # Before the rename: a kill after it would leave files that no later run looks for.
            shutil.rmtree(work, ignore_errors=True)
            os.replace(model, target)
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
