"""Stability: how well two halves of a persona's data agree, as extraction stored it with the vector."""

from __future__ import annotations

from persona_core.base.records import Record
from persona_core.evaluation.evaluation import Evaluation
from persona_core.vectors.file import VectorHeader


class StabilityResult(Record):
    """persona -> cosine of two halves of its data, and of a half with the whole; only those that were extracted."""

    split_half: dict[str, float]
    half_whole: dict[str, float]


def stored_stability(evaluation: Evaluation) -> StabilityResult:
    """Return what extraction measured; a persona made from a raw vector has no halves and is left out."""
    model = evaluation.model.identity
    headers = [evaluation.manager.persona(name, model).header for name in evaluation.personas]
    return StabilityResult(
        split_half=_measured(headers, "split_half_cosine"), half_whole=_measured(headers, "half_whole_cosine")
    )


def _measured(headers: list[VectorHeader], figure: str) -> dict[str, float]:
    figures = {header.name: header.measured.get(figure) for header in headers}
    return {name: cosine for name, cosine in figures.items() if isinstance(cosine, float)}
