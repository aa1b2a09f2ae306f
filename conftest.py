"""What holds for every test of the repository: `tests/`, `plugins/*/tests/` and `archetypes/*/tests/`."""

import os

import pytest
from hypothesis import settings

REAL_MODEL = {"embedded_model", "model"}
"""Fixtures that load the embedded model: every fixture of this repository that is named `model` does."""

settings.register_profile("whole", max_examples=150, deadline=None, derandomize=True, database=None)
settings.register_profile("quick", settings.get_profile("whole"), max_examples=15)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Spread a run over the cores, one thread each, unless `-n`, `--pdb` or a file is given.

    The tests of a file stay together, so each worker makes what they share once, and loads the embedded model once.
    """
    option = config.option
    whole = not (option.file_or_dir or option.usepdb or option.collectonly or hasattr(config, "workerinput"))
    if whole and option.numprocesses is None:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        option.numprocesses, option.dist = os.cpu_count(), "loadfile"


def pytest_configure(config: pytest.Config) -> None:
    """Draw a quarter of the examples of each property in a run without the slow tests."""
    settings.load_profile("quick" if _quick(config) else "whole")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that loads the embedded model as slow; other slow tests carry the mark themselves."""
    for item in items:
        if REAL_MODEL.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def _quick(config: pytest.Config) -> bool:
    return bool(config.option.markexpr == "not slow")
