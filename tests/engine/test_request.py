"""SteeringRequest: what a name, a blend or weights stand for, and what is out of range."""

from __future__ import annotations

import pytest

from persona_core.engine.request import Speaker, SteeringRequest, as_request
from persona_core.errors import SteeringError
from persona_core.settings.config import Safety, SteeringSettings

SETTINGS = SteeringSettings(default_strength=0.8, safety=True)


@pytest.mark.parametrize(
    ("speaker", "personas"),
    [
        (None, {}),
        ("sage", {"sage": 1.0}),
        ("sage:0.5,creator:0.25", {"sage": 0.5, "creator": 0.25}),
        ({"sage": 2.0}, {"sage": 2.0}),
    ],
)
def test_words_become_a_request_with_the_configured_defaults(speaker: Speaker, personas: dict[str, float]) -> None:
    assert as_request(speaker, SETTINGS) == SteeringRequest(personas, 0.8, True, SETTINGS.guidance)


def test_a_strength_and_a_safety_that_are_given_come_before_the_configured_ones() -> None:
    direct = as_request("sage", SETTINGS, 0.0, False, 0.0)
    assert direct == SteeringRequest({"sage": 1.0}, 0.0, False)
    assert as_request("sage", SteeringSettings(decoding="direct")) == SteeringRequest({"sage": 1.0}, 1.0)


def test_a_whole_request_travels_as_it_is() -> None:
    request = SteeringRequest({"sage": 0.5}, 1.5, False)
    assert as_request(request, SETTINGS) is request


@pytest.mark.parametrize(("strength", "safety"), [(1.0, None), (None, True)])
def test_a_whole_request_takes_no_second_setting(strength: float | None, safety: bool | None) -> None:
    with pytest.raises(SteeringError, match="its own strength, safety and guidance"):
        as_request(SteeringRequest({}, 1.0), SETTINGS, strength, safety)


def test_equal_requests_are_one_key_whatever_the_order_of_their_personas() -> None:
    one, other = SteeringRequest({"a": 1.0, "b": 0.5}, 1.0), SteeringRequest({"b": 0.5, "a": 1.0}, 1.0)
    assert len({one, other, SteeringRequest({"a": 1.0, "b": 0.5}, 1.0, False)}) == 2


@pytest.mark.parametrize("number", [-0.1, 2.1, float("nan"), float("inf")])
def test_a_strength_or_a_weight_out_of_range_is_refused(number: float) -> None:
    with pytest.raises(SteeringError, match="out of range"):
        SteeringRequest({}, number)
    with pytest.raises(SteeringError, match="the weight of 'sage'"):
        SteeringRequest({"sage": number}, 1.0)


def test_nobody_counts_at_strength_zero_or_weight_zero() -> None:
    assert SteeringRequest({"sage": 1.0}, 0.0).active == {}
    assert SteeringRequest({"sage": 1.0, "creator": 0.0}, 1.0).active == {"sage": 1.0}


@pytest.mark.parametrize(
    ("personas", "strength", "safety", "held"),
    [
        ({"sage": 1.0}, 1.0, True, True),
        ({"sage": 1.0}, 0.0, True, False),
        ({}, 1.0, True, False),
        ({}, 1.0, "always", True),
        ({"sage": 1.0}, 0.0, "always", True),
        ({"sage": 1.0}, 1.0, False, False),
    ],
)
def test_the_floor_is_held_while_a_persona_counts_or_always(
    personas: dict[str, float], strength: float, safety: Safety, held: bool
) -> None:
    assert SteeringRequest(personas, strength, safety).holds_floor is held


@pytest.mark.parametrize("safety", ["on", "off", "", None, 0.5])
def test_a_safety_that_is_no_setting_is_refused_and_never_guessed(safety: object) -> None:
    with pytest.raises(SteeringError, match="use True, False or 'always'"):
        SteeringRequest({"sage": 1.0}, 1.0, safety)  # type: ignore[arg-type]
