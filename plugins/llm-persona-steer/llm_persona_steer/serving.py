"""Serving: loads the one engine of a process when the first reply is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from persona_core import App
from persona_core.errors import SteeringError

if TYPE_CHECKING:
    from persona_core import PersonaManager, SteeringEngine

_speaking = threading.Lock()


@cache
def _app() -> App:
    """Return what makes managers and engines; broken plugins are warned of once."""
    return App(None, None)


def manager() -> PersonaManager:
    """Return the personas of the workspace that the current folder and the environment name; needs no torch."""
    return _app().manager()


def engine(personas: PersonaManager) -> SteeringEngine:
    """Return the engine for a manager's model; it stays loaded."""
    return _engine(personas.workspace.root, personas.config.model_dump_json())


@lru_cache(maxsize=1)
def _engine(workspace: Path, config: str) -> SteeringEngine:
    """Load the engine; the arguments are what it belongs to, so that another workspace or configuration has its own."""
    return _app().engine(manager())


@contextmanager
def one_reply() -> Iterator[None]:
    """Hold the engine for one reply: two that are made by turns would share a key-value cache."""
    if not _speaking.acquire(blocking=False):
        raise SteeringError("another reply of this process is not finished: read it to its end, or close it, first")
    try:
        yield
    finally:
        _speaking.release()


def warn(line: str) -> None:
    """Print a warning on stderr."""
    click.echo(f"Warning: {line}", err=True)
