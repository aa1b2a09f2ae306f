"""How long work reports on itself: a stage, and how much of it is done."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""(stage, done, total); called again with a higher `done` as the work goes on."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
