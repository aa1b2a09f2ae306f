"""Clamping: moves a stream to the nearest point within all bounds of a layer, whatever angles they stand at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from persona_core.vectors.maths import MARGIN, cast_into_range, shift_into_range, tightened

MOST = 6
"""How many different directions may be bounded at one layer: `Joint` tries every set of active bounds, 3**MOST."""
_SINGULAR = 1e-5
"""Smallest eigenvalue of a set's Gram matrix, as a share of the largest; below it another set gives the same point."""
_ROUNDING = 8.0
"""Rounding tolerance of a projection, in float32 eps times the norm of its summed products."""

Lift = tuple[Float[Tensor, "rows token"], Float[Tensor, "rows token"]]
"""(shift along a clamp's direction, projection before any clamp)."""


@dataclass(frozen=True)
class ArmedClamp:
    """One clamp for every row of a batch; a row without it has an infinite range."""

    unit_direction: Float[Tensor, "rows 1 hidden"]
    low: Float[Tensor, "rows 1"]
    high: Float[Tensor, "rows 1"] | None
    """None where no row is bounded above."""

    def select(self, which: Int[Tensor, "some"]) -> ArmedClamp:
        """Return these rows' part."""
        high = None if self.high is None else self.high[which]
        return ArmedClamp(self.unit_direction[which], self.low[which], high)


@dataclass(frozen=True)
class Joint:
    """The geometry of a layer's clamps, prepared so that all bounds can be met at once.

    The nearest point within all bounds lies on some of them, the active ones. For every set of bounds that may be
    active, `inverses` turns the distances to those bounds into shifts along the directions.
    """

    sides: Float[Tensor, "set clamp"]
    """1 where a set holds a clamp at its lower end, -1 at its upper end, 0 where the clamp is not active."""
    gram: Float[Tensor, "rows clamp clamp"]
    inverses: Float[Tensor, "set rows clamp clamp"]
    products: Float[Tensor, "rows clamp clamp"]
    """Norms of the elementwise products of two directions; the rounding margin needs them."""

    @classmethod
    def of(cls, clamps: Sequence[ArmedClamp]) -> Joint | None:
        """Return the geometry of two or more clamps; None for a single clamp, which needs none."""
        if len(clamps) < 2:
            return None
        stacked = torch.cat([clamp.unit_direction for clamp in clamps], 1).double()
        gram = stacked @ stacked.transpose(1, 2)
        sides = torch.tensor(_sides(clamps), dtype=torch.float64, device=gram.device)
        active = (sides != 0).double()
        inside = gram * active[:, None, :, None] * active[:, None, None, :]
        inverses = torch.linalg.pinv(inside, hermitian=True, rtol=_SINGULAR)
        lengths = (stacked.square() @ stacked.square().transpose(1, 2)).sqrt()
        return cls(sides.float(), gram.float(), inverses.float(), lengths.float())

    def select(self, which: Int[Tensor, "some"]) -> Joint:
        """Return these rows' part."""
        return Joint(self.sides, self.gram[which], self.inverses[:, which], self.products[which])

    def shifts(
        self,
        before: Float[Tensor, "rows token clamp"],
        low: Float[Tensor, "rows 1 clamp"],
        high: Float[Tensor, "rows 1 clamp"],
    ) -> Float[Tensor, "rows token clamp"]:
        """Return the shifts along the directions that lead to the nearest point within all bounds.

        Try every set of active bounds and keep the one that violates the optimality (KKT) conditions least: every
        bound is met, a lower end only pushes up and an upper end only pushes down. Where bounds contradict each
        other, no set meets them all.
        """
        sides = self.sides[:, None, None]
        bound = torch.where(sides > 0, low, high)
        open_ended = (sides != 0) & bound.isinf()
        missing = torch.where((sides != 0) & ~bound.isinf(), bound - before, 0.0)
        shifts = (self.inverses.unsqueeze(2) * missing.unsqueeze(-2)).sum(-1)
        reached = before + (self.gram.unsqueeze(1) * shifts.unsqueeze(-2)).sum(-1)
        distance = torch.maximum(low - reached, reached - high)
        unmet = torch.maximum(distance, -sides * shifts).amax(-1).masked_fill(open_ended.any(-1), torch.inf)
        best = unmet.argmin(0, keepdim=True).unsqueeze(-1).expand(1, *shifts.shape[1:])
        return shifts.gather(0, best)[0]


def clamp_all(
    hidden: Float[Tensor, "rows token hidden"], clamps: Sequence[ArmedClamp], joint: Joint | None, eps: float
) -> tuple[Float[Tensor, "rows token hidden"], tuple[Lift, ...]]:
    """Return the nearest stream within all bounds, and what each clamp did.

    A token within all bounds stays as it is. A token outside any bound lands inside all of them by the rounding
    margin. Bounds that contradict each other are met one after the other, so the last one holds.
    """
    steered, shifted, befores = hidden, None, None
    if joint is not None:
        befores = _projections(hidden, clamps)
        shifted = _joint_shifts(hidden, befores, clamps, joint, eps)
        steered = _moved(hidden, shifted, clamps)
    lifts: list[Lift] = []
    for index, clamp in enumerate(clamps):
        shift, before = shift_into_range(steered, clamp.unit_direction, clamp.low, clamp.high, eps)
        steered = steered + shift.unsqueeze(-1) * clamp.unit_direction
        if shifted is not None and befores is not None:
            shift, before = shift + shifted[..., index], befores[..., index]
        lifts.append((shift, before))
    return steered, tuple(lifts)


def cast_all(
    wide: Float[Tensor, "rows token hidden"],
    dtype: torch.dtype,
    clamps: Sequence[ArmedClamp],
    keep: Bool[Tensor, "rows token"] | None = None,
    *,
    stop_early: bool = True,
) -> Float[Tensor, "rows token hidden"]:
    """Return the cast of a clamped stream, pushed until every kept token is within its bounds after the cast.

    The bounds are pushed one after the other. A push may take away from another bound, but less than the rounding
    margin by which `clamp_all` met it.
    """
    cast = wide.to(dtype)
    for clamp in clamps:
        bounds = clamp.unit_direction, clamp.low, clamp.high
        wide, cast = cast_into_range(wide, dtype, *bounds, keep, stop_early=stop_early)
    return cast


def outside(hidden: Float[Tensor, "rows token hidden"], clamp: ArmedClamp) -> Float[Tensor, "rows token"]:
    """Return how far outside its range each token is; 0 inside, and where the distance is within rounding."""
    products = hidden * clamp.unit_direction
    before = products.sum(-1)
    distance = clamp.low - before if clamp.high is None else torch.maximum(clamp.low - before, before - clamp.high)
    rounding = _ROUNDING * torch.finfo(torch.float32).eps * products.norm(dim=-1)
    return torch.where(distance > rounding, distance, 0.0)


def _sides(clamps: Sequence[ArmedClamp]) -> list[tuple[int, ...]]:
    """Return every set of active bounds, the empty one first."""
    return list(product(*((0, 1) if clamp.high is None else (0, 1, -1) for clamp in clamps)))


def _projections(
    hidden: Float[Tensor, "rows token hidden"], clamps: Sequence[ArmedClamp]
) -> Float[Tensor, "rows token clamp"]:
    return torch.stack([(hidden * clamp.unit_direction).sum(-1) for clamp in clamps], -1)


def _bounds(clamps: Sequence[ArmedClamp]) -> tuple[Float[Tensor, "rows 1 clamp"], Float[Tensor, "rows 1 clamp"]]:
    """Return the lower and the upper ends."""
    highs = [torch.full_like(clamp.low, torch.inf) if clamp.high is None else clamp.high for clamp in clamps]
    return torch.stack([clamp.low for clamp in clamps], -1), torch.stack(highs, -1)


def _joint_shifts(
    hidden: Tensor, before: Float[Tensor, "rows token clamp"], clamps: Sequence[ArmedClamp], joint: Joint, eps: float
) -> Float[Tensor, "rows token clamp"]:
    """Return the shifts of the tokens outside any bound, which land inside all by the margin; 0 for the others."""
    low, high = _bounds(clamps)
    distance = torch.maximum(low - before, before - high).clamp_min(0)
    lengths = torch.stack([(hidden * clamp.unit_direction).norm(dim=-1) for clamp in clamps], -1)
    margin = MARGIN * eps * (lengths + (joint.products.unsqueeze(1) * distance.unsqueeze(-2)).sum(-1))
    shifts = joint.shifts(before, *tightened(low, high, margin))
    return torch.where((distance > 0).any(-1, keepdim=True), shifts, 0.0)


def _moved(
    hidden: Tensor, shifts: Float[Tensor, "rows token clamp"], clamps: Sequence[ArmedClamp]
) -> Float[Tensor, "rows token hidden"]:
    for index, clamp in enumerate(clamps):
        hidden = hidden + shifts[..., index, None] * clamp.unit_direction
    return hidden
