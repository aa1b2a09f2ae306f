"""Four blending strategies: `slerp`, `ties`, `gram-schmidt` and `norm-preserving`.

With each of them a persona alone is its own displacement times its weight, a weight of 0 is as good as absent, and
twice the weights are twice the displacement. The arithmetic is in `arithmetic`, imported when a blend is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_core import hookimpl

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from persona_core import BlendingStrategy, WeightedVector


@dataclass(frozen=True)
class Slerp:
    """At each layer the weighted mean of the directions on the sphere, as long as the weighted parts together.

    Two parts are spherical linear interpolation (Shoemake 1985, 10.1145/325334.325242); more are its generalisation,
    the weighted Fréchet mean.
    """

    name: str = "slerp"

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the spherical mean; parts that point exactly against each other leave the heavier, or nothing."""
        from persona_blending_kit import arithmetic

        return arithmetic.blended(parts, arithmetic.slerp)


@dataclass(frozen=True)
class Ties:
    """Trim each part to its largest entries, elect a sign for each, sum what agrees (TIES, arXiv 2306.01708).

    `density` is the share of entries that a part keeps at a layer. The sum is as long as the weighted parts together.
    """

    density: float = 0.2
    name: str = "ties"

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the merged parts; a persona that is alone at a layer is not trimmed there."""
        from persona_blending_kit import arithmetic

        return arithmetic.blended(parts, lambda moved, weights: arithmetic.ties(moved, weights, self.density))


@dataclass(frozen=True)
class GramSchmidt:
    """The heaviest persona whole; of each further one what is orthogonal to those before. Equal weights go by name."""

    name: str = "gram-schmidt"

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the sum of the heaviest part and the orthogonal rests of the others, each times its weight."""
        from persona_blending_kit import arithmetic

        return arithmetic.blended(parts, arithmetic.gram_schmidt)


@dataclass(frozen=True)
class NormPreserving:
    """The weighted sum, at each layer as long as the weighted parts together."""

    name: str = "norm-preserving"

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the rescaled sum; parts that cancel each other at a layer leave nothing there."""
        from persona_blending_kit import arithmetic

        return arithmetic.blended(parts, arithmetic.norm_preserving)


@hookimpl
def register_blending_strategies() -> Sequence[BlendingStrategy]:
    """Return the four strategies."""
    return [Slerp(), Ties(), GramSchmidt(), NormPreserving()]
