"""Prompting: whose system prompt the model gets, and who is steered beside it."""

import pytest

from persona_core.personas.prompting import Prompting, prompted, steered

BLEND = {"sage": 0.5, "creator": 0.8}


@pytest.mark.parametrize(
    ("prompting", "prompt", "steering"),
    [("off", "", BLEND), ("with", "creator", BLEND), ("only", "creator", {})],
)
def test_the_heaviest_persona_gives_the_prompt_and_only_stops_steering(
    prompting: Prompting, prompt: str, steering: dict[str, float]
) -> None:
    assert prompted(BLEND, prompting) == prompt
    assert steered(BLEND, prompting) == steering


def test_nobody_gives_no_prompt() -> None:
    assert prompted({}, "with") == ""
