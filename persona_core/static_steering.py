"""Steering of fixed shape: everything lies in buffers, so that one compiled forward serves any persona and strength."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from persona_core.clamping import ArmedClamp, Joint, cast_all, clamp_all
from persona_core.steer_module import ArmedLayer


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
            "sums": (3, rows),
            "lowest": (2, rows),
            "latest": (rows,),
        }.items():
            self.register_buffer(name, torch.zeros(shape, device=device), persistent=False)
        self.write(armed)

    def write(self, armed: ArmedLayer) -> None:
        """Take over what an armed layer does to its rows; nothing is done to rows beyond. Counts start anew."""
        n = armed.n_rows
        self.low.fill_(-torch.inf)
        self.high.fill_(torch.inf)
        self.sums.zero_()
        self.lowest.fill_(torch.inf)
        for name in ("add", "probe"):
            found = getattr(armed, name)
            getattr(self, name).zero_()
            if found is not None:
                getattr(self, name)[:n] = found
        for place, clamp in enumerate(armed.clamps):
            self.directions[place, :n] = clamp.unit_direction
            self.low[place, :n] = clamp.low
            if clamp.high is not None:
                self.high[place, :n] = clamp.high
        if armed.joint is not None:
            self._write_joint(armed.joint, n)

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
        output = cast_all(steered, hidden.dtype, clamps, joint, stop_early=False)
        self._count(wide, output.float(), hits, before)
        return output

    def _clamps(self) -> list[ArmedClamp]:
        return [
            ArmedClamp(self.directions[place], self.low[place], self.high[place] if bounded else None)
            for place, bounded in enumerate(self.bounded)
        ]

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
        self.latest.copy_(probe)
        self.sums.add_(torch.stack([change, hits, probe]) * counted)
        lowest = torch.stack([before, reached]).masked_fill(~self.live, torch.inf)
        self.lowest.copy_(torch.minimum(self.lowest, lowest))

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
        if projections is not None:
            places = torch.arange(len(tally.tokens), device=n_tokens.device)[rows]
            for row, found, counted in zip(places, projections, n_tokens.tolist(), strict=False):
                tally.read.append((row[None], found[None, : int(counted)]))
        self.sums.zero_()
        self.lowest.fill_(torch.inf)
