"""Axes: extracts a model's axes and baseline from the same replies; extraction of a persona needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persona_core.errors import VectorNotFound
from persona_core.personas.manager import PersonaManager

if TYPE_CHECKING:
    from persona_core.extraction.assistant_axis import AxisExtraction
    from persona_core.vectors.vector import Axis


def require_axes(manager: PersonaManager) -> None:
    """Raise `VectorNotFound` where the axes are missing; a command calls this before it loads the model."""
    if not manager.has_baseline():
        raise VectorNotFound(f"no axes for {manager.slug} yet; run `persona-steer extract-axes` first")


def extract_axes(work: AxisExtraction, which: str | None = None) -> list[Axis]:
    """Make and save the `assistant` axis with the baseline, the `safety` axis, or both where none is named."""
    from persona_core.extraction.assistant_axis import extract_assistant_axis, extract_baseline
    from persona_core.extraction.safety_axis import extract_safety_axis

    axes = []
    if which in (None, "assistant"):
        extract_baseline(work)
        axes.append(extract_assistant_axis(work))
    if which in (None, "safety"):
        axes.append(extract_safety_axis(work))
    return axes
