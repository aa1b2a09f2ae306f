"""SteeringPlan: what steering does at each layer, as plain data: first additions, then clamps, then probes.

Nothing here refers to nnsight, Hugging Face or any engine: a plan can be printed, saved, compared and handed on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class AddDirection:
    """Add `direction` to the residual stream after block `layer` (0-based), at every position but the first."""

    layer: int
    direction: Float[Tensor, "hidden"]


@dataclass(frozen=True)
class ClampProjection:
    """Hold every token's projection on `unit_direction` after block `layer` within `low` and `high`.

    `unit_direction` has length 1 and points from bad to good; the bounds are in units of the residual stream.
    """

    layer: int
    unit_direction: Float[Tensor, "hidden"]
    low: float = -math.inf
    high: float = math.inf
    name: str = "safety"
    audit: bool = False
    """If true, hold nothing; the receipt counts the tokens that the bound would have moved."""


@dataclass(frozen=True)
class ProbeProjection:
    """Read, and never change, the projection on `unit_direction` after block `layer`."""

    layer: int
    unit_direction: Float[Tensor, "hidden"]
    name: str = "assistant"


@dataclass(frozen=True)
class SteeringPlan:
    """All that is done to one reply. The empty plan leaves the model bit-identical."""

    additions: tuple[AddDirection, ...] = ()
    clamps: tuple[ClampProjection, ...] = ()
    probes: tuple[ProbeProjection, ...] = ()
    label: str = "none"
    audits: tuple[ClampProjection, ...] = ()
    """Bounds that are never held: the receipt counts what they would have moved."""
    guidance: float = 0.0
    """How far past its companion the persona is followed (see `lanes`); 0 samples from the steered stream directly."""

    @property
    def lanes(self) -> tuple[SteeringPlan, ...]:
        """The plans of the rows that make one reply: this plan alone or, where it is guided, its companion before it.

        The companion does all but the additions. It holds the floor, so that guidance never keeps the floor from
        turning a reply into a refusal.
        """
        if self.n_lanes == 1:
            return (self,)
        return replace(self, additions=(), guidance=0.0), self

    @property
    def n_lanes(self) -> int:
        """How many rows make one reply: 2 where a persona is added with guidance, else 1."""
        return 2 if self.guidance and self.additions else 1

    @property
    def changes(self) -> bool:
        """Tell whether the plan can change the model's stream at all."""
        return bool(self.additions or self.clamps)

    @property
    def layers(self) -> tuple[int, ...]:
        """Every layer that the plan adds to, clamps or reads."""
        steps: list[AddDirection | ClampProjection | ProbeProjection]
        steps = [*self.additions, *self.clamps, *self.probes, *self.audits]
        return tuple(sorted({step.layer for step in steps}))

    def by_layer(self, layer: int) -> SteeringPlan:
        """Return the part of the plan that concerns one layer."""
        return SteeringPlan(
            tuple(addition for addition in self.additions if addition.layer == layer),
            tuple(clamp for clamp in self.clamps if clamp.layer == layer),
            tuple(probe for probe in self.probes if probe.layer == layer),
            self.label,
            tuple(audit for audit in self.audits if audit.layer == layer),
        )

    def digest(self) -> str:
        """Return a short hash of everything that changes the stream; probes, audits and the label are left out."""
        return _hash(
            [
                *(((addition.layer, "add"), addition.direction) for addition in self.additions),
                *(((clamp.layer, clamp.low, clamp.high), clamp.unit_direction) for clamp in self.clamps),
            ],
            [f"guidance {self.guidance:g}"] if self.n_lanes == 2 else [],
        )

    def steering_key(self) -> str:
        """Return a key that is equal for plans with the same additions, clamps, probes and audits."""
        return self.digest() + _hash(
            [
                *(((probe.layer,), probe.unit_direction) for probe in self.probes),
                *(((audit.layer, audit.low, audit.high), audit.unit_direction) for audit in self.audits),
            ]
        )


def _hash(parts: Iterable[tuple[object, Tensor]], words: Iterable[str] = ()) -> str:
    state = hashlib.sha256()
    for word in words:
        state.update(word.encode())
    for key, tensor in parts:
        state.update(repr(key).encode())
        state.update(tensor.detach().cpu().float().numpy().tobytes())
    return state.hexdigest()[:16]


UNSTEERED = SteeringPlan()
