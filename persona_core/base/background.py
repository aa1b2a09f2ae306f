"""Background work: run a function on a thread of its own, and call a plugin's function within a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from persona_core.errors import PluginError

T = TypeVar("T")


def within(seconds: float, label: str, function: Callable[..., T], *args: object) -> T:
    """Call a function and return its result, or raise what it raises; raise `PluginError` after `seconds`.

    `label` names the package and the call; the error message begins with it. Python cannot stop the function, which
    runs on after the error: pass it copies, and no object that another thread changes. A `KeyboardInterrupt` or a
    `GeneratorExit` of the function's own becomes an error of it: Ctrl-C reaches the main thread alone.
    """
    future = in_background(lambda: function(*args))
    if not wait([future], timeout=seconds).done:
        raise PluginError(f"{label} took longer than {seconds:g} s")
    error = future.exception()
    if error is not None and not isinstance(error, Exception | SystemExit):
        raise RuntimeError(f"{type(error).__name__}: {error}".rstrip(": ")) from error
    return future.result()


def in_background(work: Callable[[], T]) -> Future[T]:
    """Run `work` on a daemon thread, which does not keep the process alive, and return its future."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
