"""StaticSteer: steering in buffers of fixed shape, so that one compiled forward serves any persona and strength."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from persona_core.steering.clamping import ArmedClamp, Joint, Lift, cast_all, clamp_all
from persona_core.steering.layer import ArmedLayer
from persona_core.steering.sums import Observation, Sums, sums_of


class StaticSteer(nn.Module):
    """Does to one token a row what an `ArmedLayer` does, with the same arithmetic; its buffers are written in place.

    All layers share `live`: a row that has ended still runs, and is not counted.
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
    """The `Joint` of the clamps; a row without a clamp has zeros for it."""
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
        """Copy what an armed layer does to its rows into the buffers and count anew; further rows are idle."""
        n = armed.n_rows
        self._start()
        _write_rows(self.add, armed.add, n)
        _write_rows(self.probe, armed.probe, n)
        _write_bounds(armed.clamps, n, self.directions, self.low, self.high)
        _write_bounds(armed.audits, n, self.audit_directions, self.audit_low, self.audit_high)
        if armed.joint is not None:
            self._write_joint(armed.joint, n)

    def _start(self) -> None:
        """Begin to count."""
        self.sums.zero_()
        self.audited.zero_()
        self.lowest.fill_(torch.inf)

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
        output = cast_all(steered, hidden.dtype, clamps, stop_early=False)
        self._count(wide, output.float(), lifts, clamps)
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

    def _count(self, wide: Tensor, after: Tensor, lifts: tuple[Lift, ...], clamps: Sequence[ArmedClamp]) -> None:
        read = (after * self.probe).sum(-1)
        self.latest.copy_(read[:, 0])
        token = sums_of(Observation(wide, after, lifts, self.live[:, None]), clamps, self._audits(), read)
        self.sums.add_(torch.stack([token.relative_change, token.floor_hits, token.probe]))
        self.lowest.copy_(torch.minimum(self.lowest, torch.stack([token.lowest_before, token.lowest_after])))
        if self.audit_bounded:
            self.audited[0].add_(token.audit_hits)
            self.audited[1].copy_(torch.maximum(self.audited[1], token.audit_distance))

    def settle_into(
        self, armed: ArmedLayer, n_tokens: Float[Tensor, "rows"], projections: Float[Tensor, "rows token"] | None
    ) -> None:
        """Add what was counted of `n_tokens` tokens a row, and what the probe read, to the tally; start anew."""
        tally, rows = armed.tally, armed.rows
        tally.settle()
        tally.merge(self._so_far(armed.n_rows, n_tokens), rows)
        if projections is not None:
            indices = torch.arange(tally.n_rows, device=n_tokens.device)[rows]
            for index, row_read, counted in zip(indices, projections, n_tokens.tolist(), strict=False):
                tally.add_readings(index[None], row_read[None, : int(counted)])
        self._start()

    def _so_far(self, n: int, n_tokens: Float[Tensor, "rows"]) -> Sums:
        """Return what the buffers hold of the first `n` rows."""
        change, hits, probe = self.sums[:, :n]
        before, after = self.lowest[:, :n]
        audit_hits, audit_distance = self.audited[:, :n]
        return Sums(n_tokens[:n], change, hits, before, after, probe, audit_hits, audit_distance)


def _write_rows(buffer: Tensor, values: Tensor | None, n: int) -> None:
    buffer.zero_()
    if values is not None:
        buffer[:n] = values


def _write_bounds(clamps: Sequence[ArmedClamp], n: int, directions: Tensor, low: Tensor, high: Tensor) -> None:
    low.fill_(-torch.inf)
    high.fill_(torch.inf)
    for index, clamp in enumerate(clamps):
        directions[index, :n] = clamp.unit_direction
        low[index, :n] = clamp.low
        if clamp.high is not None:
            high[index, :n] = clamp.high
