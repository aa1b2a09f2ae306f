"""Stability: how well two halves of a persona's data agree, as extraction stored it with the vector."""

from __future__ import annotations

from persona_core.base.records import Record
from persona_core.evaluation.evaluation import Evaluation
from persona_core.vectors.file import VectorHeader


class StabilityResult(Record):
    """persona -> cosine of two halves of its data, and of a half with the whole, as stored at extraction."""

    split_half: dict[str, float]
    half_whole: dict[str, float]


def stored_stability(evaluation: Evaluation) -> StabilityResult:
    """Return what extraction measured of every persona; not a number where a header holds nothing."""
    headers = {name: evaluation.manager.persona(name, evaluation.model.identity).header for name in evaluation.personas}
    return StabilityResult(
        split_half={name: _measured(header, "split_half_cosine") for name, header in headers.items()},
        half_whole={name: _measured(header, "half_whole_cosine") for name, header in headers.items()},
    )


def _measured(header: VectorHeader, figure: str) -> float:
    return float(header.measured.get(figure, float("nan")))  # type: ignore[arg-type]
