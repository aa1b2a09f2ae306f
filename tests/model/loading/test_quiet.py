"""Libraries are silent while a model loads, and as they were afterwards, even if loading fails."""

from collections.abc import Iterator
from logging import CRITICAL, getLogger

import pytest
from transformers.utils import logging

from persona_core.model.loading.quiet import quiet_transformers


@pytest.fixture(params=[True, False], ids=["bars", "no bars"])
def bars(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether transformers shows progress bars before."""
    shown = logging.is_progress_bar_enabled()
    verbosity = logging.get_verbosity()
    (logging.enable_progress_bar if request.param else logging.disable_progress_bar)()
    logging.set_verbosity(logging.INFO)
    yield request.param
    (logging.enable_progress_bar if shown else logging.disable_progress_bar)()
    logging.set_verbosity(verbosity)


def test_bars_and_warnings_are_off_inside_and_as_before_after(bars: bool) -> None:
    with quiet_transformers():
        assert not logging.is_progress_bar_enabled()
        assert logging.get_verbosity() == logging.ERROR
    assert logging.is_progress_bar_enabled() is bars
    assert logging.get_verbosity() == logging.INFO


def test_an_error_inside_puts_them_back_too(bars: bool) -> None:
    with pytest.raises(ZeroDivisionError), quiet_transformers():
        raise ZeroDivisionError
    assert logging.is_progress_bar_enabled() is bars
    assert logging.get_verbosity() == logging.INFO


def test_torchaos_loggers_are_silent() -> None:
    with quiet_transformers():
        assert getLogger("torchao").level == getLogger("torch.utils._pytree").level == CRITICAL
