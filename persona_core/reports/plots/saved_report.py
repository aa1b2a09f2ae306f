"""Saved reports: reads an evaluation's report.json, and picks what the dose and matrix pictures draw of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persona_core.base.files import read_text
from persona_core.base.records import first_problem
from persona_core.errors import PlotError
from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots.dose import DoseFigures, evaluated_doses, read_doses

if TYPE_CHECKING:
    from persona_core.evaluation.effect import EffectResult
    from persona_core.evaluation.report import EvaluationReport

SHOWN_GROUPS = ("persona vectors", "system prompts")


def read_report(path: Path) -> EvaluationReport:
    """Read a report; raise `PlotError` that names the command which makes it."""
    from persona_core.evaluation.report import EvaluationReport

    if not path.is_file():
        raise PlotError(f"no evaluation report {path}; run `persona-steer eval`, or give one with --report")
    try:
        return EvaluationReport.model_validate_json(read_text(path))
    except ValueError as error:
        raise PlotError(f"{path} is no evaluation report: {first_problem(error)}; run `persona-steer eval`") from error


def dose_figures(manager: PersonaManager, path: Path | None) -> DoseFigures:
    """Return the dose-response of a report, of the workspace's own where `path` is None, or else of calibration.

    Raises `PlotError` where the report at `path` holds no dose-response.
    """
    saved = path or manager.workspace.evaluation_report(manager.slug)
    report = read_report(saved) if path or saved.is_file() else None
    if report is not None and report.doses is not None:
        unit = report.effect.unit if report.effect else "nats/token"
        return evaluated_doses(report.model.slug, report.doses, unit, manager.config.extraction.damage_budget)
    if path:
        raise PlotError(f"{path} holds no dose-response; run `persona-steer eval` with it, or leave --report out")
    return read_doses(manager)


def measured_effect(report: EvaluationReport, path: Path) -> EffectResult:
    """Return the effect that a report holds; raise `PlotError` where it holds none."""
    if report.effect is None:
        raise PlotError(f"{path} holds no effect; run `persona-steer eval` with it")
    return report.effect


def shown_matrices(effect: EffectResult) -> dict[str, list[list[float]]]:
    """Return the double-centred matrix of each group that is drawn."""
    return {name: effect.groups[name].double_centred for name in SHOWN_GROUPS if name in effect.groups}
