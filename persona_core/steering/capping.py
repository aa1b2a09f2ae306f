"""Capping: a policy says within which bounds projections must stay. It returns data, and the core applies it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from persona_core.steering.plan import ClampProjection
from persona_core.vectors.vector import Axis


@dataclass(frozen=True)
class CappingContext:
    """What a policy is told: axes by name, the capped layers, the configured percentile, and the conversation so far.

    `history` holds one mapping for each finished turn: probe name -> mean projection of the reply's tokens at
    `probe_layer`, in units of the residual stream.
    """

    axes: Mapping[str, Axis]
    layers: tuple[int, ...]
    percentile: float
    probe_layer: int
    history: Sequence[Mapping[str, float]] = ()


class CappingPolicy(Protocol):
    """Bounds the projections of a steered model."""

    @property
    def name(self) -> str:
        """The name that the configuration key `steering.capping_policy` takes."""
        ...

    def clamps(self, context: CappingContext) -> Sequence[ClampProjection]:
        """Return the bounds. The configured floor is always held as well, so a policy can only tighten."""
        ...


@dataclass(frozen=True)
class PercentileFloor:
    """Hold each capped layer's projection on the safety axis at or above a percentile of benign replies.

    As the capping of The Assistant Axis (arXiv 2601.10387), on an axis made from refusing and complying replies.
    """

    name: str = "percentile-floor"

    def clamps(self, context: CappingContext) -> Sequence[ClampProjection]:
        """Return one floor a capped layer."""
        axis = context.axes["safety"]
        floor = axis.percentile(context.percentile)
        return [
            ClampProjection(layer, axis.directions[layer], low=float(floor[layer]), name="safety")
            for layer in context.layers
        ]
