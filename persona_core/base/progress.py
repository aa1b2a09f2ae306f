"""Progress: how long-running work tells its caller which stage it is in and how much of it is done."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""(stage, done, total): the work calls it again with a higher `done` as it proceeds."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
