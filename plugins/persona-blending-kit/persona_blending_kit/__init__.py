"""Four blending strategies: `slerp`, `ties`, `gram-schmidt` and `norm-preserving`.

Each returns a single persona's displacement times its weight, ignores weights of 0, and doubles the displacement when
the weights double. `arithmetic` computes them; it is imported when a blend is made.
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
    """Takes at each layer the weighted mean of the directions on the sphere, as long as the weighted parts together.

    For two parts this is spherical linear interpolation (Shoemake 1985, 10.1145/325334.325242), for more its
    generalisation, the weighted Fréchet mean.
    """

    name: str = "slerp"

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the spherical mean; parts that point exactly against each other leave the heavier, or nothing."""
        from persona_blending_kit import arithmetic

        return arithmetic.blended(parts, arithmetic.slerp)


@dataclass(frozen=True)
class Ties:
    """Trims each part to its largest entries, elects a sign for each, sums what agrees (TIES, arXiv 2306.01708).

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
    """Adds the heaviest persona, and of each further one what is orthogonal to those before; ties go by name."""

    name: str = "gram-schmidt"

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the sum of the heaviest part and the orthogonal rests of the others, each times its weight."""
        from persona_blending_kit import arithmetic

        return arithmetic.blended(parts, arithmetic.gram_schmidt)


@dataclass(frozen=True)
class NormPreserving:
    """Scales the weighted sum at each layer to the length of the weighted parts together."""

    name: str = "norm-preserving"

    def blend(self, parts: Sequence[WeightedVector]) -> Float[Tensor, "layer hidden"]:
        """Return the rescaled sum; parts that cancel each other at a layer leave nothing there."""
        from persona_blending_kit import arithmetic

        return arithmetic.blended(parts, arithmetic.norm_preserving)


@hookimpl
def register_blending_strategies() -> Sequence[BlendingStrategy]:
    """Return the four strategies."""
    return [Slerp(), Ties(), GramSchmidt(), NormPreserving()]
