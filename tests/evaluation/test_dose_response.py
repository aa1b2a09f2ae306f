"""Dose-response: curves from strength 0, and blends of every pair."""

import pytest

from persona_core.evaluation.dose_response import STRENGTHS, measure_blends, measure_doses


def test_every_curve_starts_unsteered_and_has_a_point_a_strength(evaluation):
    doses = measure_doses(evaluation)
    assert doses.questions == 1
    assert doses.default_strength == evaluation.model.config.steering.default_strength
    assert list(doses.curves) == ["sage", "trickster"]
    for curve in doses.curves.values():
        assert [point.strength for point in curve] == list(STRENGTHS)
        assert curve[0].gain == curve[0].damage == 0
    ends = {name: curve[-1] for name, curve in doses.curves.items()}
    assert ends["sage"] != ends["trickster"]


def test_blends_are_of_every_pair_with_chance_one_in_the_pairs(evaluation):
    blends = measure_blends(evaluation)
    assert blends.questions == 2
    assert blends.chance == 1.0
    assert blends.both.value == 1.0
    assert blends.by_pair == {"sage+trickster": 1.0}
    assert blends.damage.low <= blends.damage.value <= blends.damage.high
    assert blends.damage.value != pytest.approx(0, abs=1e-4)
