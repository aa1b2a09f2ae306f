"""Calibration: the dose that fits the damage budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_core.extraction.calibration import calibrated, choose
from persona_core.testing import example_vector
from persona_core.vectors.file import Calibration

CURVE = ((0.0, 0.0, 0.0), (0.1, 0.2, 0.1), (0.2, 0.8, 0.3), (0.3, 2.0, 0.2))


def test_the_dose_lies_between_the_trials_around_the_budget():
    calibration = choose(CURVE, 0.5)
    assert calibration.dose == pytest.approx(0.15)
    assert calibration.damage == pytest.approx(0.5)
    assert calibration.gain == pytest.approx(0.2)
    assert calibration.curve == CURVE


def test_a_persona_that_never_costs_too_much_gets_the_highest_dose():
    assert choose(CURVE, 5.0).dose == 0.3


@given(st.lists(st.floats(0, 3), min_size=1, max_size=7), st.floats(0.05, 2))
def test_the_dose_never_costs_more_than_the_budget(damages, budget):
    curve = [(0.0, 0.0, 0.0), *((0.05 * (n + 1), damage, 0.0) for n, damage in enumerate(sorted(damages)))]
    calibration = choose(curve, budget)
    assert calibration.damage <= budget + 1e-3
    assert 0 <= calibration.dose <= curve[-1][0]


@pytest.mark.parametrize(("gain", "warned"), [(0.2, False), (0.0, True), (-0.1, True)])
def test_a_persona_that_gains_nothing_is_warned_of_once(gain, warned):
    calibration = Calibration(dose=0.1, damage_budget=0.5, damage=0.4, gain=gain)
    vector = example_vector("sage").with_header(warnings=("sage is weak", "sage does not show: as before"))
    warnings = calibrated(calibrated(vector, calibration, calibration), calibration, calibration).header.warnings
    assert warnings[0] == "sage is weak"
    assert len(warnings) == 1 + warned
    assert all(warning.startswith("sage does not show: at strength 1.0") for warning in warnings[1:])
