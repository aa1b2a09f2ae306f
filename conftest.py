"""What holds for every test of the repository: `tests/`, `plugins/*/tests/` and `archetypes/*/tests/`."""

import pytest
from hypothesis import settings

REAL_MODEL = {"embedded_model", "model"}
"""Fixtures that load the embedded model: every fixture of this repository that is named `model` does."""

settings.register_profile("whole", max_examples=60, deadline=None, derandomize=True, database=None)
settings.register_profile("quick", settings.get_profile("whole"), max_examples=15)


def pytest_configure(config: pytest.Config) -> None:
    """Draw a quarter of the examples of each property in a run without the slow tests."""
    settings.load_profile("quick" if config.option.markexpr == "not slow" else "whole")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that loads the embedded model as slow; other slow tests carry the mark themselves."""
    for item in items:
        if REAL_MODEL.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
