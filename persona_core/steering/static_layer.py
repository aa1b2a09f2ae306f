"""Steering of fixed shape: everything lies in buffers, so that one compiled forward serves any persona and strength."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from persona_core.steering.clamping import ArmedClamp, Joint, cast_all, clamp_all, outside
from persona_core.steering.layer import ArmedLayer


class StaticSteer(nn.Module):
    """What an `ArmedLayer` does to one token a row, with the same arithmetic; its buffers are written in place.

    `live` is shared by all layers: rows that have ended still run, and are not counted.
    """

    add: Float[Tensor, "rows 1 hidden"]
    probe: Float[Tensor, "rows 1 hidden"]
    directions: Float[Tensor, "clamp rows 1 hidden"]
    low: Float[Tensor, "clamp rows 1"]
    high: Float[Tensor, "clamp rows 1"]
    sides: Float[Tensor, "set clamp"]
    gram: Float[Tensor, "rows clamp clamp"]
    inverses: Float[Tensor, "set rows clamp clamp"]
    products: Float[Tensor, "rows clamp clamp"]
    """How the clamps stand to each other; a row without a clamp has zeros for it."""
    audit_directions: Float[Tensor, "audit rows 1 hidden"]
    audit_low: Float[Tensor, "audit rows 1"]
    audit_high: Float[Tensor, "audit rows 1"]
    audited: Float[Tensor, "2 rows audit"]
    """Tokens that audited bounds would have moved, and the largest distance outside them."""
    sums: Float[Tensor, "3 rows"]
    """Relative change, floor hits and projection on the probe, added up over tokens."""
    lowest: Float[Tensor, "2 rows"]
    """The lowest distance above the lower bounds, before the clamps and after."""
    latest: Float[Tensor, "rows"]
    """The newest token's projection on the probe."""

    def __init__(self, armed: ArmedLayer, live: Bool[Tensor, "rows"], hidden: int) -> None:
        super().__init__()
        rows, clamps, device = len(live), len(armed.clamps), live.device
        self.live = live
        self.adds, self.probes = armed.add is not None, armed.probe is not None
        self.bounded = tuple(clamp.high is not None for clamp in armed.clamps)
        self.audit_bounded = tuple(audit.high is not None for audit in armed.audits)
        audits = len(armed.audits)
        n_sets = 0 if armed.joint is None else len(armed.joint.sides)
        for name, shape in {
            "add": (rows, 1, hidden),
            "probe": (rows, 1, hidden),
            "directions": (clamps, rows, 1, hidden),
            "low": (clamps, rows, 1),
            "high": (clamps, rows, 1),
            "sides": (n_sets, clamps),
            "gram": (rows, clamps, clamps),
            "inverses": (n_sets, rows, clamps, clamps),
            "products": (rows, clamps, clamps),
            "audit_directions": (audits, rows, 1, hidden),
            "audit_low": (audits, rows, 1),
            "audit_high": (audits, rows, 1),
            "audited": (2, rows, audits),
            "sums": (3, rows),
            "lowest": (2, rows),
            "latest": (rows,),
        }.items():
            self.register_buffer(name, torch.zeros(shape, device=device), persistent=False)
        self.write(armed)

    def write(self, armed: ArmedLayer) -> None:
        """Take over what an armed layer does to its rows; nothing is done to rows beyond. Counts start anew."""
        n = armed.n_rows
        self._start()
        for name in ("add", "probe"):
            found = getattr(armed, name)
            getattr(self, name).zero_()
            if found is not None:
                getattr(self, name)[:n] = found
        self._write_clamps(armed.clamps, n, "")
        self._write_clamps(armed.audits, n, "audit_")
        if armed.joint is not None:
            self._write_joint(armed.joint, n)

    def _start(self) -> None:
        """Begin to count."""
        self.sums.zero_()
        self.audited.zero_()
        self.lowest.fill_(torch.inf)

    def _write_clamps(self, clamps: Sequence[ArmedClamp], n: int, prefix: str) -> None:
        directions, low, high = (getattr(self, prefix + name) for name in ("directions", "low", "high"))
        low.fill_(-torch.inf)
        high.fill_(torch.inf)
        for place, clamp in enumerate(clamps):
            directions[place, :n] = clamp.unit_direction
            low[place, :n] = clamp.low
            if clamp.high is not None:
                high[place, :n] = clamp.high

    def _write_joint(self, joint: Joint, n: int) -> None:
        self.sides.copy_(joint.sides)
        self.gram[:n], self.products[:n] = joint.gram, joint.products
        self.inverses[:, :n] = joint.inverses

    def forward(self, hidden: Float[Tensor, "rows 1 hidden"]) -> Float[Tensor, "rows 1 hidden"]:
        """Return the steered stream in the precision it came in, and count what was done."""
        wide, eps = hidden.float(), torch.finfo(hidden.dtype).eps
        steered = wide + self.add if self.adds else wide
        clamps, joint = self._clamps(), self._joint()
        steered, lifts = clamp_all(steered, clamps, joint, eps)
        hits, before = torch.zeros_like(self.sums[1]), torch.full_like(self.lowest[0], torch.inf)
        for clamp, (shift, reached) in zip(clamps, lifts, strict=True):
            hits = hits + (shift != 0)[:, 0]
            before = torch.minimum(before, (reached - clamp.low)[:, 0])
        output = cast_all(steered, hidden.dtype, clamps, stop_early=False)
        self._count(wide, output.float(), hits, before)
        return output

    def _clamps(self) -> list[ArmedClamp]:
        parts = zip(self.directions, self.low, self.high, self.bounded, strict=True)
        return [ArmedClamp(direction, low, high if bounded else None) for direction, low, high, bounded in parts]

    def _audits(self) -> list[ArmedClamp]:
        parts = zip(self.audit_directions, self.audit_low, self.audit_high, self.audit_bounded, strict=True)
        return [ArmedClamp(direction, low, high if bounded else None) for direction, low, high, bounded in parts]

    def _joint(self) -> Joint | None:
        several = len(self.bounded) > 1
        return Joint(self.sides, self.gram, self.inverses, self.products) if several else None

    def _count(self, wide: Tensor, after: Tensor, hits: Tensor, before: Tensor) -> None:
        change = ((after - wide).norm(dim=-1) / wide.norm(dim=-1).clamp_min(1e-12))[:, 0]
        probe = (after * self.probe).sum(-1)[:, 0]
        reached = torch.full_like(before, torch.inf)
        for place in range(len(self.bounded)):
            distance = (after * self.directions[place]).sum(-1) - self.low[place]
            reached = torch.minimum(reached, distance[:, 0])
        counted = self.live.to(torch.float32)
        if self.audit_bounded:
            self._count_audits(after, counted)
        self.latest.copy_(probe)
        self.sums.add_(torch.stack([change, hits, probe]) * counted)
        lowest = torch.stack([before, reached]).masked_fill(~self.live, torch.inf)
        self.lowest.copy_(torch.minimum(self.lowest, lowest))

    def _count_audits(self, after: Tensor, counted: Float[Tensor, "rows"]) -> None:
        found = torch.cat([outside(after, audit) for audit in self._audits()], 1) * counted[:, None]
        self.audited[0].add_(found > 0)
        self.audited[1].copy_(torch.maximum(self.audited[1], found))

    def read(
        self, armed: ArmedLayer, n_tokens: Float[Tensor, "rows"], projections: Float[Tensor, "rows token"] | None
    ) -> None:
        """Add the counts of `n_tokens` tokens a row, and what the probe read of them, to the tally; start anew."""
        tally, rows, n = armed.tally, armed.rows, armed.n_rows
        tally.tokens[rows] += n_tokens[:n]
        for name, found in zip(("relative_change", "floor_hits", "probe"), self.sums[:, :n], strict=True):
            getattr(tally, name)[rows] += found
        for name, found in zip(("lowest_before", "lowest_after"), self.lowest[:, :n], strict=True):
            so_far = getattr(tally, name)
            so_far[rows] = torch.minimum(so_far[rows], found)
        tally.audit_hits[rows] += self.audited[0, :n]
        tally.audit_distance[rows] = torch.maximum(tally.audit_distance[rows], self.audited[1, :n])
        if projections is not None:
            places = torch.arange(len(tally.tokens), device=n_tokens.device)[rows]
            for row, found, counted in zip(places, projections, n_tokens.tolist(), strict=False):
                tally.read.append((row[None], found[None, : int(counted)]))
        self._start()
