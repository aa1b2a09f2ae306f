"""Tally: what steering did to each row at one layer, added up on the device for the receipt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import EllipsisType

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from persona_core.steering.clamping import ArmedClamp, Lift, outside

Rows = EllipsisType | Int[Tensor, "rows"]
"""The places in the tally of the rows that ran."""


@dataclass(frozen=True)
class Step:
    """The stream before and after steering, in float32, with what each clamp did; one token a row or more."""

    before: Float[Tensor, "rows token hidden"]
    after: Float[Tensor, "rows token hidden"]
    lifts: tuple[Lift, ...]
    keep: Bool[Tensor, "rows token"] | None = None
    """Which tokens count; None for all."""


Count = Callable[[Step], None]
_STEPS = 64


def _nothing(step: Step) -> None:
    """Count nothing."""


def join(steps: Sequence[Step]) -> Step:
    """Return steps of the same rows as one."""
    if len(steps) == 1:
        return steps[0]
    lifts = tuple(
        (torch.cat([shift for shift, _ in clamp], 1), torch.cat([before for _, before in clamp], 1))
        for clamp in zip(*(step.lifts for step in steps), strict=True)
    )
    return Step(torch.cat([step.before for step in steps], 1), torch.cat([step.after for step in steps], 1), lifts)


class Tally:
    """What happened to each row at one layer over all forwards of a reply.

    Steps of one token a row wait and are counted many at once: counting each on its own costs more than steering it.
    """

    def __init__(self, rows: int, device: torch.device, audits: int = 0) -> None:
        self.tokens = torch.zeros(rows, device=device)
        self.relative_change = torch.zeros(rows, device=device)
        self.floor_hits = torch.zeros(rows, device=device)
        self.lowest_before = torch.full((rows,), torch.inf, device=device)
        self.lowest_after = torch.full((rows,), torch.inf, device=device)
        self.probe = torch.zeros(rows, device=device)
        self.audit_hits = torch.zeros(rows, audits, device=device)
        self.audit_distance = torch.zeros(rows, audits, device=device)
        """The largest distance of any token outside each audited bound."""
        self.read: list[tuple[Rows, Float[Tensor, "rows token"]]] = []
        """What the probe read of the reply's tokens, in their order, for the rows that ran."""
        self.waiting: list[Step] = []
        self._count: Count = _nothing

    def defer(self, step: Step, count: Count) -> None:
        """Let a step wait to be counted by `count`, together with those that wait for the same."""
        if count != self._count:
            self.settle()
        self._count = count
        self.waiting.append(step)
        if len(self.waiting) >= _STEPS:
            self.settle()

    def settle(self) -> None:
        """Count the steps that wait."""
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            self._count(join(waiting))

    def copy_rows(self, rows: Sequence[int]) -> None:
        """Make row `i` what row `rows[i]` is now."""
        for name, found in vars(self).items():
            if isinstance(found, Tensor):
                setattr(self, name, found[list(rows)])

    def add_change(self, step: Step, rows: Rows) -> None:
        """Count the tokens, and add up how far each was moved, by its own length."""
        counted = torch.ones_like(step.before[..., 0]) if step.keep is None else step.keep.float()
        change = (step.after - step.before).norm(dim=-1) / step.before.norm(dim=-1).clamp_min(1e-12)
        self.tokens[rows] += counted.sum(1)
        self.relative_change[rows] += (change * counted).sum(1)

    def add_clamp(
        self,
        step: Step,
        lift: Lift,
        unit_direction: Float[Tensor, "rows 1 hidden"],
        low: Float[Tensor, "rows 1"],
        rows: Rows,
    ) -> None:
        """Count a clamp's lifts, and note the lowest distances to its lower bound before and after it."""
        shift, before = lift
        after = (step.after * unit_direction).sum(-1) - low
        hits, distance = shift != 0, before - low
        if step.keep is not None:
            hits = hits & step.keep
            distance, after = (part.masked_fill(~step.keep, torch.inf) for part in (distance, after))
        self.floor_hits[rows] += hits.sum(1)
        self.lowest_before[rows] = torch.minimum(self.lowest_before[rows], distance.amin(1))
        self.lowest_after[rows] = torch.minimum(self.lowest_after[rows], after.amin(1))

    def add_audits(self, step: Step, audits: Sequence[ArmedClamp], rows: Rows) -> None:
        """Count the tokens that audited bounds would have moved, and note how far at most."""
        found = [outside(step.after, audit) for audit in audits]
        distance = torch.stack(found if step.keep is None else [each * step.keep for each in found], -1)
        self.audit_hits[rows] += (distance > 0).sum(1)
        self.audit_distance[rows] = torch.maximum(self.audit_distance[rows], distance.amax(1))

    def add_probe(self, step: Step, direction: Float[Tensor, "rows 1 hidden"], rows: Rows) -> None:
        """Add up the projections on a direction."""
        found = (step.after * direction).sum(-1)
        self.probe[rows] += (found if step.keep is None else found * step.keep).sum(1)
        if step.keep is None:
            self.read.append((rows, found))

    def projections(self, row: int) -> list[float]:
        """Return what the probe read of each token of a row's reply; its last token was never read by the model."""
        every = torch.arange(len(self.tokens), device=self.tokens.device)
        values = [found[(every[rows] == row).nonzero()[:, 0]].flatten() for rows, found in self.read]
        return [float(value) for value in torch.cat(values)] if values else []
