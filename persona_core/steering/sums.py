"""Sums: what steering did to each row at one layer, added up over tokens; the compiled path fills the same record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from persona_core.steering.clamping import ArmedClamp, Lift, outside

Rows = EllipsisType | Int[Tensor, "rows"]
"""Where the rows that ran stand among all rows of a batch; `...` for all of them in order."""


@dataclass(frozen=True)
class Observation:
    """The stream before and after steering, in float32, with what each clamp did; one token a row or more."""

    before: Float[Tensor, "rows token hidden"]
    after: Float[Tensor, "rows token hidden"]
    lifts: tuple[Lift, ...]
    """One a clamp, in the clamps' order."""
    keep: Bool[Tensor, "rows token"] | None = None
    """Which tokens count; None for all."""

    @property
    def kept(self) -> Bool[Tensor, "rows token"]:
        """Which tokens count, as a mask."""
        if self.keep is not None:
            return self.keep
        return torch.ones(self.before.shape[:2], dtype=torch.bool, device=self.before.device)


@dataclass
class Sums:
    """Per row: counts, totals and extremes over the tokens that were counted. Projections are in the stream's units."""

    tokens: Float[Tensor, "rows"]
    relative_change: Float[Tensor, "rows"]
    """Total of ‖after - before‖ / ‖before‖."""
    floor_hits: Float[Tensor, "rows"]
    """Shifts by a clamp: one a token and clamp."""
    lowest_before: Float[Tensor, "rows"]
    """The lowest distance above a clamp's lower bound before any clamp; infinite where nothing is clamped."""
    lowest_after: Float[Tensor, "rows"]
    """The same after all clamps and the cast to the model's precision."""
    probe: Float[Tensor, "rows"]
    """Total of the projections on the probe's direction."""
    audit_hits: Float[Tensor, "rows audit"]
    """Tokens that each audited bound would have moved."""
    audit_distance: Float[Tensor, "rows audit"]
    """The largest distance of any token outside each audited bound."""

    @classmethod
    def empty(cls, n_rows: int, device: torch.device, n_audits: int = 0) -> Sums:
        """Return the sums of rows before their first token."""
        return cls(
            tokens=torch.zeros(n_rows, device=device),
            relative_change=torch.zeros(n_rows, device=device),
            floor_hits=torch.zeros(n_rows, device=device),
            lowest_before=torch.full((n_rows,), torch.inf, device=device),
            lowest_after=torch.full((n_rows,), torch.inf, device=device),
            probe=torch.zeros(n_rows, device=device),
            audit_hits=torch.zeros(n_rows, n_audits, device=device),
            audit_distance=torch.zeros(n_rows, n_audits, device=device),
        )

    def merge(self, more: Sums, rows: Rows) -> None:
        """Take in, in place, what was counted of these rows besides."""
        self.tokens[rows] += more.tokens
        self.relative_change[rows] += more.relative_change
        self.floor_hits[rows] += more.floor_hits
        self.lowest_before[rows] = torch.minimum(self.lowest_before[rows], more.lowest_before)
        self.lowest_after[rows] = torch.minimum(self.lowest_after[rows], more.lowest_after)
        self.probe[rows] += more.probe
        self.audit_hits[rows] += more.audit_hits
        self.audit_distance[rows] = torch.maximum(self.audit_distance[rows], more.audit_distance)

    def select(self, rows: Sequence[int]) -> Sums:
        """Return a copy whose row `i` is this one's row `rows[i]`."""
        which = list(rows)
        return Sums(
            self.tokens[which],
            self.relative_change[which],
            self.floor_hits[which],
            self.lowest_before[which],
            self.lowest_after[which],
            self.probe[which],
            self.audit_hits[which],
            self.audit_distance[which],
        )

    def mean_change(self, row: int) -> float:
        """Return a row's mean relative change a token; 0 before its first token."""
        return float(self.relative_change[row] / self.tokens[row].clamp_min(1))

    def mean_projection(self, row: int) -> float:
        """Return a row's mean projection on the probe's direction; 0 before its first token."""
        return float(self.probe[row] / self.tokens[row].clamp_min(1))


def sums_of(
    observation: Observation,
    clamps: Sequence[ArmedClamp],
    audits: Sequence[ArmedClamp],
    projections: Float[Tensor, "rows token"] | None,
) -> Sums:
    """Return what was done to the tokens of an observation; `projections` are what the probe read of them."""
    kept = observation.kept
    hits, lowest_before, lowest_after = _clamped(observation, clamps, kept)
    audit_hits, audit_distance = _audited(observation.after, audits, kept)
    change = (observation.after - observation.before).norm(dim=-1) / observation.before.norm(dim=-1).clamp_min(1e-12)
    return Sums(
        tokens=kept.float().sum(1),
        relative_change=(change * kept).sum(1),
        floor_hits=hits,
        lowest_before=lowest_before,
        lowest_after=lowest_after,
        probe=torch.zeros_like(hits) if projections is None else (projections * kept).sum(1),
        audit_hits=audit_hits,
        audit_distance=audit_distance,
    )


def _clamped(
    observation: Observation, clamps: Sequence[ArmedClamp], kept: Bool[Tensor, "rows token"]
) -> tuple[Float[Tensor, "rows"], Float[Tensor, "rows"], Float[Tensor, "rows"]]:
    """Return how often the clamps shifted a token, and the lowest distances above their lower bounds."""
    hits = torch.zeros_like(kept[:, 0], dtype=torch.float32)
    before = after = torch.full_like(hits, torch.inf)
    for clamp, (shift, projection) in zip(clamps, observation.lifts, strict=True):
        reached = (observation.after * clamp.unit_direction).sum(-1)
        hits = hits + ((shift != 0) & kept).sum(1)
        before = torch.minimum(before, _lowest(projection - clamp.low, kept))
        after = torch.minimum(after, _lowest(reached - clamp.low, kept))
    return hits, before, after


def _lowest(distance: Float[Tensor, "rows token"], kept: Bool[Tensor, "rows token"]) -> Float[Tensor, "rows"]:
    return distance.masked_fill(~kept, torch.inf).amin(1)


def _audited(
    after: Float[Tensor, "rows token hidden"], audits: Sequence[ArmedClamp], kept: Bool[Tensor, "rows token"]
) -> tuple[Float[Tensor, "rows audit"], Float[Tensor, "rows audit"]]:
    """Return how many tokens each bound would have moved, and how far at most."""
    if not audits:
        nothing = after.new_zeros((len(after), 0))
        return nothing, nothing
    distance = torch.stack([outside(after, audit) * kept for audit in audits], -1)
    return (distance > 0).float().sum(1), distance.amax(1)
