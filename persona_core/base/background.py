"""Work on a thread of its own, and calls of a plugin's function that may not take longer than a given time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from persona_core.errors import PluginError

T = TypeVar("T")


def within(seconds: float, what: str, function: Callable[..., T], *args: object) -> T:
    """Return what a function returns, or raise what it raises; raise `PluginError` where it takes longer than that.

    `what` names the package and what it was to do; the message begins with it. Python cannot stop the function, which
    goes on until it ends: give it copies, and nothing that somebody else changes.
    """
    future = in_background(lambda: function(*args))
    if not wait([future], timeout=seconds).done:
        raise PluginError(f"{what} took longer than {seconds:g} s")
    return future.result()


def in_background(work: Callable[[], T]) -> Future[T]:
    """Do work on a thread of its own that does not keep the process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
