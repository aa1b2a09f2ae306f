"""Blending: strategies that turn weighted persona vectors into one displacement a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from persona_core.base.names import check_name
from persona_core.errors import SteeringError
from persona_core.settings.config import STRONGEST
from persona_core.vectors.vector import PersonaVector

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class WeightedVector:
    """A persona and its share: weight 1.0 is its own calibrated dose."""

    vector: PersonaVector
    weight: float


class BlendingStrategy(Protocol):
    """Turns weighted personas into the displacement that strength 1.0 adds at each layer."""

    @property
    def name(self) -> str:
        """The name that the configuration key `steering.blending` takes."""
        ...

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the displacement per layer; zeros at layers that are not steered. `parts` is never empty."""
        ...


@dataclass(frozen=True)
class WeightedSum:
    """The sum of the personas' displacements, each times its weight: linear, and the order does not matter."""

    name: str = "weighted-sum"

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the weighted sum."""
        ordered = sorted(parts, key=lambda part: part.vector.name)
        moved = [part.weight * part.vector.displacement() for part in ordered]
        total = moved[0]
        for displacement in moved[1:]:
            total = total + displacement
        return total


@dataclass(frozen=True)
class BalancedSum:
    """The weighted sum of unit directions, at each layer as long as the parts' weighted displacements together.

    A persona with a small dose counts as much as one with a large dose, and parts that point different ways do not
    shorten each other. Where they nearly cancel, what is left is lengthened at most `most` times. A mixture costs less
    than its parts, so it is longer by `stretch` where the parts weigh the same, and by nothing where one has it all.
    """

    most: float = 2.0
    stretch: float = 0.2
    name: str = "balanced-sum"

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the balanced sum; one persona alone is its own displacement times its weight."""
        from persona_core.vectors.maths import unit

        ordered = sorted(parts, key=lambda part: part.vector.name)
        moved = [part.vector.displacement() for part in ordered]
        total, length = unit(moved[0]) * ordered[0].weight, moved[0].norm(dim=-1, keepdim=True) * ordered[0].weight
        for part, displacement in zip(ordered[1:], moved[1:], strict=True):
            total = total + unit(displacement) * part.weight
            length = length + displacement.norm(dim=-1, keepdim=True) * part.weight
        shortest = sum(part.weight for part in ordered) / self.most
        length = length * (1 + self.stretch * _mixing([part.weight for part in ordered]))
        blended: Tensor = total * length / total.norm(dim=-1, keepdim=True).clamp_min(max(shortest, 1e-30))
        return blended


def _mixing(weights: Sequence[float]) -> float:
    """Return 0 where one weight is everything, 1 where two or more are the same, and what lies between."""
    whole = sum(weights)
    return min(2 * (1 - sum((weight / whole) ** 2 for weight in weights)), 1.0) if whole > 0 else 0.0


def parse_blend(text: str) -> dict[str, float]:
    """Read `sage:0.5,trickster:0.3`; raise `SteeringError` that shows the part that is wrong."""
    weights: dict[str, float] = {}
    for term in text.split(","):
        name, colon, weight = term.strip().partition(":")
        if not colon:
            raise SteeringError(f"{term.strip()!r} in the blend has no weight: write sage:0.5,trickster:0.3")
        check_name(name.strip(), SteeringError)
        if name.strip() in weights:
            raise SteeringError(f"{name.strip()!r} stands twice in the blend: give each persona one weight")
        weights[name.strip()] = _weight(name.strip(), weight)
    return weights


def _weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        raise SteeringError(f"the weight of {name!r} is {text!r}, not a number") from None
    if not math.isfinite(weight) or not 0 <= weight <= STRONGEST:
        raise SteeringError(f"the weight of {name!r} is {text.strip()}: use 0.0-{STRONGEST}")
    return weight
