"""Dose: stored and evaluated curves over strengths, with the strengths that matter marked."""

import numpy as np
import pytest
from pictures import BASE, both_themes, words

from persona_core.evaluation.report import EvaluationReport
from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots import dose
from persona_core.reports.plots.theme import DARK, Theme


def test_stored_doses_become_strengths_with_the_calibrated_one_at_one(manager: PersonaManager) -> None:
    figures = dose.read_doses(manager)
    assert [curve.persona for curve in figures.curves] == BASE
    for curve in figures.curves:
        calibration = manager.persona(curve.persona).header.guided
        assert calibration is not None
        assert np.interp(1.0, curve.strengths, curve.damages) == pytest.approx(calibration.damage, abs=0.01)
        assert np.interp(1.0, curve.strengths, curve.gains) == pytest.approx(calibration.gain, abs=0.01)


@both_themes
@pytest.mark.parametrize("default", [0.2, 0.8, 1.0, 1.7])
def test_the_calibrated_point_and_the_default_strength_are_marked(theme: Theme, default: float) -> None:
    curve = dose.DoseCurve("sage", (0.0, 1.5, 3.0), (0.0, 0.3, 0.6), (0.0, 0.6, 1.2))
    shown = words(dose.draw(dose.DoseFigures("tiny", (curve,), default, 0.5, "likelier"), theme))
    if default == 1.0:
        assert "calibrated point and default strength" in shown
    else:
        assert {"calibrated point", "default strength"} <= set(shown)
    assert {"sage", "budget 0.5", "gain (nats/token)", "damage (nats/token)"} <= set(shown)


def test_curves_end_at_the_highest_strength() -> None:
    assert dose.up_to((0.0, 1.5, 3.0), (0.0, 3.0, 6.0), 2.0) == ([0.0, 1.5, 2.0], [0.0, 3.0, 4.0])
    assert dose.up_to((0.0, 1.0), (0.0, 3.0), 2.0) == ([0.0, 1.0], [0.0, 3.0])


def test_a_report_gives_its_own_curves(report: EvaluationReport) -> None:
    assert report.doses is not None
    figures = dose.evaluated_doses("tiny", report.doses, "points")
    assert figures.curves[3].gains == tuple(point.gain for point in report.doses.curves["sage"])
    assert "gain (points)" in words(dose.draw(figures, DARK))
