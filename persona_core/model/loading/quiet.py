"""Quiet: keeps progress bars and warnings of libraries off the user's terminal while a model loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL, getLogger
from typing import Any

_CHATTY = ("torch.utils._pytree", "torchao")
"""Loggers that warn if torchao is installed; transformers imports it with its first model class."""


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the progress bars and warnings of transformers off the terminal; enter it before its model classes load."""
    from transformers.utils import logging

    for name in _CHATTY:
        getLogger(name).setLevel(CRITICAL)
    settings: Any = logging
    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    settings.set_verbosity_error()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            settings.enable_progress_bar()
