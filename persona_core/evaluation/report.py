"""Report: every figure of an evaluation and its provenance, as a record that is written as JSON and read back."""

from __future__ import annotations

from persona_core.base.records import Record
from persona_core.evaluation.conversations import ConversationResult
from persona_core.evaluation.damage import NeutralCost
from persona_core.evaluation.dose_response import BlendResult, DoseResult
from persona_core.evaluation.effect import EffectResult
from persona_core.evaluation.safety import SafetyResult
from persona_core.evaluation.stability import StabilityResult
from persona_core.vectors.file import ModelIdentity


class EvaluationReport(Record):
    """The figures of one evaluation; a part that was not measured is None."""

    created: str
    model: ModelIdentity
    machine: str
    versions: dict[str, str]
    seed: int
    digest: str
    judge: str
    prompt_set: str
    personas: list[str]
    without_judge_prompts: list[str] | None = None
    """The personas that are judged by system prompts, as they have no judge prompts; None for all, in old reports."""
    effect: EffectResult | None = None
    conversations: ConversationResult | None = None
    voices: dict[str, float] | None = None
    neutral: dict[str, NeutralCost] | None = None
    doses: DoseResult | None = None
    blends: BlendResult | None = None
    safety: SafetyResult | None = None
    stability: StabilityResult | None = None
