"""The capping policy `assistant-guard`: a floor on the assistant axis that tightens as a conversation drifts.

The core holds the configured safety floor beside it, so this policy only ever adds a bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_core import hookimpl
from persona_core.errors import SafetyUnavailable

if TYPE_CHECKING:
    from persona_core import Axis, CappingContext, CappingPolicy, ClampProjection

AXIS = "assistant"
EDGE = 1.0
"""A turn drifts where it lies below this percentile of the default assistant's replies."""
SLACK = 2.0
"""The loosest floor lies this many inter-quartile ranges below the edge."""


@dataclass(frozen=True)
class AssistantGuard:
    """Leaves single turns alone, and pulls a conversation that keeps drifting back toward the assistant."""

    name: str = "assistant-guard"

    def clamps(self, context: CappingContext) -> Sequence[ClampProjection]:
        """Return one floor a capped layer, or none while no turn has drifted.

        Raises `SafetyUnavailable` where the model has no assistant axis.
        """
        from persona_core import ClampProjection

        axis = _assistant_axis(context)
        tight = tightness([drift(axis, context.probe_layer, turn[AXIS]) for turn in context.history if AXIS in turn])
        if not tight:
            return []
        return [
            ClampProjection(layer, axis.directions[layer], low=floor(axis, layer, tight), name=AXIS)
            for layer in context.layers
        ]


def drift(axis: Axis, layer: int, projection: float) -> float:
    """Return how far a turn lies below the edge, in inter-quartile ranges; 0 within range."""
    edge, spread = _edge(axis, layer), _spread(axis, layer)
    return max(edge - projection, 0.0) / max(spread, 1e-6)


def tightness(drifts: Sequence[float]) -> float:
    """Return 0 (loose) to 1: it rises at once with a drifting turn, and halves with each turn in range."""
    tight = 0.0
    for turn in drifts:
        tight = min(max(turn, tight / 2), 1.0)
    return tight


def floor(axis: Axis, layer: int, tight: float) -> float:
    """Return the lowest projection allowed: the edge at tightness 1, and two ranges below it near 0."""
    return _edge(axis, layer) - (1 - tight) * SLACK * _spread(axis, layer)


@hookimpl
def register_capping_policies() -> Sequence[CappingPolicy]:
    """Return the guard."""
    return [AssistantGuard()]


def _assistant_axis(context: CappingContext) -> Axis:
    axes: Mapping[str, Axis] = context.axes
    if AXIS not in axes:
        raise SafetyUnavailable(
            "capping policy 'assistant-guard' needs the assistant axis, and this model has none; "
            "run `persona-steer extract-axes`, or choose another steering.capping_policy"
        )
    return axes[AXIS]


def _edge(axis: Axis, layer: int) -> float:
    return float(axis.percentile(EDGE)[layer])


def _spread(axis: Axis, layer: int) -> float:
    """Return the inter-quartile range of the default assistant's replies."""
    return float(axis.percentile(75.0)[layer] - axis.percentile(25.0)[layer])
