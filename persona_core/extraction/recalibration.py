"""Recalibration: the dose and layers of a stored persona, and the floor of the stored safety axis, found anew."""

from __future__ import annotations

from persona_core.base.progress import Progress, silent
from persona_core.extraction.assistant_axis import AxisExtraction
from persona_core.extraction.calibration import calibrate
from persona_core.extraction.data import persona_dataset
from persona_core.extraction.safety_axis import recalibrate
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.manager import PersonaManager
from persona_core.vectors.vector import Axis, PersonaVector


def recalibrate_persona(
    model: ModelWrapper, manager: PersonaManager, name: str, progress: Progress = silent
) -> PersonaVector:
    """Find a stored persona's dose and layers anew, save it in the workspace and return it."""
    vector = manager.persona(name, model.identity)
    calibrated = calibrate(model, vector, persona_dataset(manager, name), manager, progress=progress)
    manager.save(calibrated)
    return calibrated


def recalibrate_floor(model: ModelWrapper, manager: PersonaManager, progress: Progress = silent) -> Axis:
    """Check the stored safety axis, measure its floor anew, save it in the workspace and return it."""
    return recalibrate(AxisExtraction(model, manager, progress))
