"""Stability: the figures are those that extraction stored with the vectors."""

import math

from persona_core.evaluation.stability import stored_stability


def test_stability_is_read_from_the_headers_and_is_no_number_where_they_hold_none(evaluation):
    sage = evaluation.manager.persona("sage")
    evaluation.manager.save(sage.with_header(measured={"split_half_cosine": 0.8, "half_whole_cosine": 0.9}))
    stability = stored_stability(evaluation)
    assert stability.split_half["sage"] == 0.8
    assert stability.half_whole["sage"] == 0.9
    assert math.isnan(stability.split_half["trickster"])
    assert math.isnan(stability.half_whole["trickster"])
