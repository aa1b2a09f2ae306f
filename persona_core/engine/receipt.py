"""Receipt: what steering did to one reply, measured while the model generated it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from persona_core.base.layers import format_layers
from persona_core.base.numbers import above
from persona_core.base.records import Record
from persona_core.errors import NoEffect
from persona_core.steering.plan import SteeringPlan

if TYPE_CHECKING:
    from persona_core.steering.layer import ArmedLayer


class FloorReceipt(Record):
    """What the floor did, over all capped layers and every position but the first.

    Distances are above the floor, in units of the residual stream; below it they are negative.
    """

    layers: list[int]
    hits: int
    lowest_before: float
    lowest_after: float


class AuditReceipt(Record):
    """What an audit-only bound would have done: how many tokens it would have moved, and the largest distance.

    It is counted on the stream as it was. In force, the bound would have changed the tokens that came after.
    """

    hits: int
    farthest: float


class Receipt(Record):
    """What was done to one reply. Projections are in units of the residual stream."""

    model: str
    personas: dict[str, float]
    strength: float
    guidance: float = 0.0
    """How far past its companion row the persona was followed; 0 where the reply was decoded in one row."""
    safety: str
    """`on` where the floor was held, `off` where a persona was steered without it, `not needed` else."""
    plan: str
    prompt_tokens: int
    reused_tokens: int
    reply_tokens: int
    steered_tokens: int
    relative_change: dict[int, float]
    """layer -> mean of ‖change‖ / ‖stream‖ over the steered tokens."""
    floor: FloorReceipt | None
    assistant_projection: float | None
    """Mean over the steered tokens, prompt included, after the last steered layer."""
    safety_projection: float | None = None
    """The same after the last capped layer."""
    audits: dict[str, AuditReceipt] = Field(default_factory=dict)
    """Name of an audit-only bound -> what it would have done."""
    seed: int
    finish: str
    """`end`, `length`, `context` or `stopped`."""

    @property
    def layers(self) -> list[int]:
        """The layers that were changed."""
        return [layer for layer, change in self.relative_change.items() if change > 0]

    def line(self) -> str:
        """Return the receipt as one line of words."""
        clauses = (self._steering(), self._floor(), *self._audits(), self._assistant())
        return "; ".join(clause for clause in clauses if clause)

    def _steering(self) -> str:
        if not self.personas:
            return f"unsteered, {self.reply_tokens} tokens"
        mean = sum(self.relative_change.values()) / len(self.relative_change)
        guided = f", guidance {self.guidance:g}" if self.guidance else ""
        return (
            f"{mixture(self.personas)} at strength {self.strength:g}{guided}: {self.steered_tokens} tokens steered "
            f"in layers {format_layers(self.layers)}, mean change {mean:.1%} of the stream"
        )

    def _floor(self) -> str:
        if self.floor is None:
            return f"safety {self.safety}"
        return (
            f"floor held in layers {format_layers(self.floor.layers)}: {self.floor.hits} lifts, "
            f"lowest {above(self.floor.lowest_before)} it before and {above(self.floor.lowest_after)} it after"
        )

    def _audits(self) -> list[str]:
        return [
            f"{name} would have moved {audit.hits} tokens, by {audit.farthest:.2f} at most"
            for name, audit in self.audits.items()
        ]

    def _assistant(self) -> str:
        return "" if self.assistant_projection is None else f"assistant axis {self.assistant_projection:+.2f}"


def steering_fields(
    plan: SteeringPlan, armed: Mapping[int, ArmedLayer], row: int, companion: int | None = None
) -> dict[str, object]:
    """Return the measured fields of one row's receipt; raise `NoEffect` where an addition changed nothing.

    The floor's figures count the row and, where the reply is guided, its companion.
    """
    touched = {addition.layer for addition in plan.additions} | {clamp.layer for clamp in plan.clamps}
    changes = {layer: armed[layer].tally.settled().mean_change(row) for layer in sorted(touched)}
    idle = [addition.layer for addition in plan.additions if not changes[addition.layer] > 0]
    if idle:
        raise NoEffect(f"{plan.label} was asked for, but layers {format_layers(idle)} were not changed; report this")
    means = {probe.name: round(armed[probe.layer].tally.settled().mean_projection(row), 4) for probe in plan.probes}
    return {
        "plan": plan.digest(),
        "steered_tokens": int(max((float(armed[layer].tally.settled().tokens[row]) for layer in touched), default=0)),
        "relative_change": {layer: round(change, 6) for layer, change in changes.items()},
        "floor": _floor_receipt(plan, armed, [row] if companion is None else [row, companion]),
        "assistant_projection": means.get("assistant"),
        "safety_projection": means.get("safety"),
        "audits": _audit_receipts(plan, armed, row),
    }


def probe_readings(plan: SteeringPlan, armed: Mapping[int, ArmedLayer], row: int) -> dict[str, list[float]]:
    """Return probe -> what it read of each token of a row's reply, in units of the residual stream."""
    return {probe.name: armed[probe.layer].tally.projections(row) for probe in plan.probes}


def _floor_receipt(plan: SteeringPlan, armed: Mapping[int, ArmedLayer], rows: Sequence[int]) -> FloorReceipt | None:
    layers = sorted({clamp.layer for clamp in plan.clamps})
    if not layers:
        return None
    sums = [armed[layer].tally.settled() for layer in layers]
    return FloorReceipt(
        layers=layers,
        hits=int(sum(float(layer_sums.floor_hits[row]) for layer_sums in sums for row in rows)),
        lowest_before=round(min(float(layer_sums.lowest_before[row]) for layer_sums in sums for row in rows), 4),
        lowest_after=round(min(float(layer_sums.lowest_after[row]) for layer_sums in sums for row in rows), 4),
    )


def _audit_receipts(plan: SteeringPlan, armed: Mapping[int, ArmedLayer], row: int) -> dict[str, AuditReceipt]:
    receipts: dict[str, AuditReceipt] = {}
    for layer in sorted({audit.layer for audit in plan.audits}):
        sums = armed[layer].tally.settled()
        for index, audit in enumerate(plan.by_layer(layer).audits):
            so_far = receipts.get(audit.name, AuditReceipt(hits=0, farthest=0.0))
            receipts[audit.name] = AuditReceipt(
                hits=so_far.hits + int(sums.audit_hits[row, index]),
                farthest=max(so_far.farthest, round(float(sums.audit_distance[row, index]), 4)),
            )
    return receipts


def mixture(personas: Mapping[str, float]) -> str:
    """Return who speaks, in words: a name, or names with their weights."""
    if list(personas.values()) == [1.0]:
        return next(iter(personas))
    return " + ".join(f"{name} {weight:g}" for name, weight in personas.items())
