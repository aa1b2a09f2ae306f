"""Run: measures an evaluation part by part and keeps each finished part on disk, so that a killed run goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from persona_core.base.files import read_text, write_atomically
from persona_core.base.provenance import describe_machine, provenance
from persona_core.evaluation.conversations import ConversationResult, measure_conversations
from persona_core.evaluation.damage import NeutralCost, neutral_costs, voice_gains
from persona_core.evaluation.dose_response import BlendResult, DoseResult, measure_blends, measure_doses
from persona_core.evaluation.effect import EffectResult, measure_effect
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.safety import SafetyResult, measure_safety
from persona_core.evaluation.stability import StabilityResult, stored_stability


@dataclass(frozen=True)
class Part:
    """One part of the report: its field, the function that measures it, and the type of its figures."""

    field: str
    measure: Callable[[Evaluation], Any]
    figures: Any


PARTS = (
    Part("stability", stored_stability, StabilityResult),
    Part("effect", measure_effect, EffectResult),
    Part("conversations", measure_conversations, ConversationResult),
    Part("voices", voice_gains, dict[str, float]),
    Part("neutral", neutral_costs, dict[str, NeutralCost]),
    Part("safety", measure_safety, SafetyResult),
    Part("blends", measure_blends, BlendResult),
    Part("doses", measure_doses, DoseResult),
)


def evaluate(evaluation: Evaluation, parts: Sequence[str] = ()) -> EvaluationReport:
    """Measure the named parts, all where none is named, and write the report into the workspace.

    A part that an earlier run has finished under the same digest is read and not measured again.
    """
    digest = evaluation.digest()
    chosen = [part for part in PARTS if not parts or part.field in parts]
    figures = {part.field: _finished(evaluation, digest, part) for part in chosen}
    report = EvaluationReport(**_provenance(evaluation), digest=digest, **figures)
    path = evaluation.manager.workspace.evaluation_report(evaluation.manager.slug)
    write_atomically(path, report.model_dump_json(indent=1) + "\n")
    return report


def _finished(evaluation: Evaluation, digest: str, part: Part) -> Any:
    """Return a part's figures: read where they are kept, else measured and kept."""
    adapter: TypeAdapter[Any] = TypeAdapter(part.figures)
    path = evaluation.manager.workspace.evaluation_part(evaluation.manager.slug, digest, part.field)
    if path.is_file():
        return adapter.validate_json(read_text(path))
    figures = part.measure(evaluation)
    write_atomically(path, adapter.dump_json(figures, indent=1).decode() + "\n")
    return figures


def _provenance(evaluation: Evaluation) -> dict[str, Any]:
    model = evaluation.model
    return {
        **provenance(evaluation.seed),
        "model": model.identity,
        "machine": describe_machine(str(model.device), str(model.dtype).removeprefix("torch.")),
        "judge": evaluation.judge.name,
        "prompt_set": evaluation.prompts.name,
        "personas": list(evaluation.personas),
        "without_judge_prompts": [one.name for one in evaluation.archetypes if not one.judge_prompts],
    }
