"""`calibrate` finds the dose of a persona anew and shows its curve; a wrong request loads no model."""

from collections.abc import Callable

import pytest
from click.testing import Result

from persona_core import SteeringEngine
from persona_core.cli.calibrate import calibrate_and_show

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "name the personas or `safety`, or give --all"),
        (["sage", "--all"], 2, "name the personas or `safety`, or give --all"),
        (["sgae"], 1, "did you mean 'sage'"),
        (["chef"], 1, "run `persona-steer extract chef`"),
    ],
)
def test_a_wrong_request_is_one_line(run: Run, arguments: list[str], code: int, message: str) -> None:
    assert message in run("calibrate", *arguments, code=code).stderr


@pytest.mark.slow
def test_the_curve_of_a_persona_is_shown_and_stored(
    tiny_engine: SteeringEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    manager = tiny_engine.manager
    calibrate_and_show(tiny_engine.model, manager, ["trickster"], floor=False)
    shown = capsys.readouterr()
    stored = manager.store.persona("trickster").header
    assert stored.calibration is not None
    assert stored.guided is not None
    assert shown.out.startswith("\ntrickster: layers ")
    for calibration in (stored.calibration, stored.guided):
        assert f"strength 1.0 = dose {calibration.dose:.3f}" in shown.out
    assert shown.out.count("  dose 0.") == len(stored.calibration.curve) + len(stored.guided.curve)
    assert "trickster: calibration" in shown.err
    assert [f"Warning: {warning}" in shown.err for warning in stored.warnings] == [True] * len(stored.warnings)
