"""Run an evaluation part by part. A finished part is kept on disk, so that a killed run goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from persona_core.base.files import read_text, write_atomically
from persona_core.base.provenance import describe_machine, provenance
from persona_core.evaluation.damage import NeutralCost, neutral_costs, voice_gains
from persona_core.evaluation.dose_response import BlendResult, DoseResult, measure_blends, measure_doses
from persona_core.evaluation.effect import EffectResult, measure_effect
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.safety import SafetyResult, measure_safety
from persona_core.evaluation.stability import StabilityResult, stored_stability

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """One part of the report: its field, what it measures, and the type of the figures."""

    field: str
    measure: Callable[[Evaluation], Any]
    kind: Any


PARTS = (
    Part("stability", stored_stability, StabilityResult),
    Part("effect", measure_effect, EffectResult),
    Part("voices", voice_gains, dict[str, float]),
    Part("neutral", neutral_costs, dict[str, NeutralCost]),
    Part("safety", measure_safety, SafetyResult),
    Part("blends", measure_blends, BlendResult),
    Part("doses", measure_doses, DoseResult),
)


def evaluate(evaluation: Evaluation, folder: Path, parts: Sequence[str] | None = None) -> EvaluationReport:
    """Measure every part that is named (all where none is), keeping each in `folder` as it is finished."""
    place = folder / evaluation.digest()
    found = {
        part.field: _kept(place / f"{part.field}.json", part, evaluation)
        for part in PARTS
        if parts is None or part.field in parts
    }
    report = EvaluationReport(**_provenance(evaluation), **found)
    write_atomically(folder / "report.json", report.model_dump_json(indent=1) + "\n")
    return report


def _kept(path: Path, part: Part, evaluation: Evaluation) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(part.kind)
    if path.is_file():
        return adapter.validate_json(read_text(path))
    found = part.measure(evaluation)
    write_atomically(path, adapter.dump_json(found, indent=1).decode() + "\n")
    return found


def _provenance(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "model": evaluation.model.identity,
        "machine": describe_machine(str(evaluation.model.device), str(evaluation.model.dtype).removeprefix("torch.")),
        **provenance(evaluation.seed),
        "digest": evaluation.digest(),
        "judge": evaluation.judge.name,
        "prompt_set": evaluation.prompts.name,
        "personas": list(evaluation.personas),
    }
