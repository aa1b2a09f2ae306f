"""A small extraction on a model of random weights."""

import pytest

from persona_core import PersonaManager
from persona_core.extraction.assistant_axis import AxisExtraction

SMALL = {
    "extraction.reference_archetypes": ["sage", "trickster"],
    "extraction.system_prompts": 2,
    "extraction.questions": 2,
    "extraction.max_new_tokens": 4,
    "extraction.fit_steps": 2,
    "extraction.calibration_questions": 2,
}


@pytest.fixture(scope="module")
def work(tiny_engine):
    """The replies of two reference personas and of the default assistant, two questions under two prompts each."""
    return AxisExtraction(tiny_engine.model, PersonaManager(tiny_engine.manager.config.replace(SMALL)))
