"""A stored persona is calibrated anew, and the result is what is stored from then on."""

import pytest

from persona_core import SteeringEngine
from persona_core.errors import AxisTooWeak
from persona_core.extraction.recalibration import recalibrate_floor, recalibrate_persona
from persona_core.vectors.store import SAFETY


@pytest.mark.slow
def test_a_recalibrated_persona_is_saved_with_its_new_curve(tiny_engine: SteeringEngine) -> None:
    manager = tiny_engine.manager
    before = manager.persona("sage").header.calibration
    stages: list[str] = []
    vector = recalibrate_persona(tiny_engine.model, manager, "sage", lambda stage, done, total: stages.append(stage))
    assert vector.header.calibration is not None
    assert vector.header.calibration != before
    assert len(vector.header.calibration.curve) == 8
    assert manager.store.persona("sage").header.calibration == vector.header.calibration
    assert vector.header.guided is not None
    assert vector.header.guided.guidance == 2
    assert {"sage: calibration, direct", "sage: calibration, guided"} <= set(stages)


def test_a_safety_axis_that_separates_nothing_is_refused_and_stays_as_it_was(tiny_engine: SteeringEngine) -> None:
    store = tiny_engine.manager.store
    neutral = [0.5] * tiny_engine.model.n_layers
    path = store.save(store.axis(SAFETY).with_header(measured={"persona_auc": neutral}))
    stored = path.read_bytes()
    with pytest.raises(AxisTooWeak, match="does not separate refusing from complying replies"):
        recalibrate_floor(tiny_engine.model, tiny_engine.manager)
    assert path.read_bytes() == stored
