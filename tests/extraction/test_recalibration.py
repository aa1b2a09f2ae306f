"""A stored persona is calibrated anew, and the result is what is stored from then on."""

from persona_core import SteeringEngine
from persona_core.extraction.recalibration import recalibrate_persona


def test_a_recalibrated_persona_is_saved_with_its_new_curve(tiny_engine: SteeringEngine) -> None:
    manager = tiny_engine.manager
    before = manager.persona("sage").header.calibration
    stages: list[str] = []
    vector = recalibrate_persona(tiny_engine.model, manager, "sage", lambda stage, done, total: stages.append(stage))
    assert vector.header.calibration is not None
    assert vector.header.calibration != before
    assert len(vector.header.calibration.curve) == 8
    assert manager.store.persona("sage").header.calibration == vector.header.calibration
    assert "sage: calibration" in stages
