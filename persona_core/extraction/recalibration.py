"""Recalibration: finds the dose and layers of a stored persona, or the floor of the stored safety axis, anew."""

from __future__ import annotations

from persona_core.base.progress import Progress, silent
from persona_core.extraction.assistant_axis import AxisExtraction, separation
from persona_core.extraction.calibration import calibrate, placed
from persona_core.extraction.data import persona_dataset, safety_dataset
from persona_core.extraction.floor_calibration import calibrate_floor
from persona_core.extraction.safety_axis import check_axis, scripted_means
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.manager import PersonaManager
from persona_core.vectors.store import SAFETY
from persona_core.vectors.vector import Axis, PersonaVector


def recalibrate_persona(
    model: ModelWrapper, manager: PersonaManager, name: str, progress: Progress = silent
) -> PersonaVector:
    """Find a stored persona's dose and layers anew, save it in the workspace and return it."""
    vector = manager.persona(name, model.identity)
    dataset = persona_dataset(manager, name)
    vector = placed(model, vector, dataset, manager, progress=progress)
    calibrated = calibrate(model, vector, dataset, manager, progress=progress)
    manager.save(calibrated)
    return calibrated


def recalibrate_floor(model: ModelWrapper, manager: PersonaManager, progress: Progress = silent) -> Axis:
    """Check the stored safety axis at the configured capping layers, measure its floor anew, and save it.

    Raises `AxisTooWeak`, with the stored axis unchanged, where `extract_safety_axis` would.
    """
    work = AxisExtraction(model, manager, progress)
    data = safety_dataset(manager)
    axis = manager.store.axis(SAFETY, model.identity)
    sides = scripted_means(work.extractor, data.heldout, "held-out pairs")
    measured = axis.header.measured | {"heldout_auc": separation(*sides, axis.directions)}
    check_axis(model, measured["heldout_auc"], measured["persona_auc"])  # type: ignore[arg-type]
    checked = axis.with_header(measured=measured, target_layers=model.capping_layers)
    calibrated = calibrate_floor(model, checked, data, work.default.rollouts, progress=progress)
    manager.store.save(calibrated)
    return calibrated
