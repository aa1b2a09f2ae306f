"""Steer: the module in each decoder layer that adds, clamps and reads. Idle, it returns its input itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from persona_core.errors import SteeringError
from persona_core.steering.clamping import ArmedClamp, Joint, Lift, cast_all, clamp_all
from persona_core.steering.plan import ClampProjection, SteeringPlan
from persona_core.steering.sums import Observation, sums_of
from persona_core.steering.tally import Tally


@dataclass
class ArmedLayer:
    """What the plans of a batch do at one layer, as tensors on the model's device, with the layer's tally.

    `rows` says which rows of the tally still run: a row that has ended is left out, and what was counted of it stays.
    """

    add: Float[Tensor, "rows 1 hidden"] | None
    clamps: tuple[ArmedClamp, ...]
    probe: Float[Tensor, "rows 1 hidden"] | None
    tally: Tally
    joint: Joint | None = None
    """Set where there are two or more clamps."""
    audits: tuple[ArmedClamp, ...] = ()
    keep: Bool[Tensor, "rows token"] | None = None
    rows: EllipsisType | Int[Tensor, "rows"] = ...

    @property
    def n_rows(self) -> int:
        """How many rows run."""
        return self.tally.n_rows if isinstance(self.rows, EllipsisType) else len(self.rows)

    @property
    def shape(self) -> tuple[object, ...]:
        """What one compiled forward is specialised for: adding, probing, and which bounds have an upper end."""
        clamps, audits = (tuple(clamp.high is not None for clamp in bounds) for bounds in (self.clamps, self.audits))
        return self.add is not None, self.probe is not None, clamps, audits

    def select(self, rows: Sequence[int]) -> ArmedLayer:
        """Return what is done to these rows of the running ones, counted in the same tally."""
        self.tally.settle()
        which = torch.tensor(rows, device=self.tally.device)
        return ArmedLayer(
            add=None if self.add is None else self.add[which],
            clamps=tuple(clamp.select(which) for clamp in self.clamps),
            probe=None if self.probe is None else self.probe[which],
            tally=self.tally,
            joint=None if self.joint is None else self.joint.select(which),
            audits=tuple(audit.select(which) for audit in self.audits),
            rows=torch.arange(self.tally.n_rows, device=which.device)[self.rows][which],
        )

    def __call__(self, hidden: Float[Tensor, "rows token hidden"]) -> Float[Tensor, "rows token hidden"]:
        """Return the steered stream in the precision it came in."""
        wide = hidden.float()
        steered, lifts = self._steer(wide, hidden.dtype)
        output = hidden if steered is wide else cast_all(steered, hidden.dtype, self.clamps, self.keep)
        observation = Observation(wide, output.float(), lifts, self.keep)
        if self.keep is None and hidden.shape[1] == 1:
            self.tally.defer(observation, self._count)
        else:
            self.tally.settle()
            self._count(observation)
        return output

    def _steer(self, wide: Tensor, dtype: torch.dtype) -> tuple[Tensor, tuple[Lift, ...]]:
        steered = wide if self.add is None else wide + self.add
        steered, lifts = clamp_all(steered, self.clamps, self.joint, torch.finfo(dtype).eps)
        if self.keep is None or steered is wide:
            return steered, lifts
        return torch.where(self.keep.unsqueeze(-1), steered, wide), lifts

    def _count(self, observation: Observation) -> None:
        read = None if self.probe is None else (observation.after * self.probe).sum(-1)
        self.tally.merge(sums_of(observation, self.clamps, self.audits, read), self.rows)
        if read is not None and observation.keep is None:
            self.tally.add_readings(self.rows, read)


Armed = Callable[[Tensor], Tensor]
"""What an armed layer passes its stream through: an `ArmedLayer`, or any function to a stream of the same shape."""


class Steer(nn.Module):
    """A child module of each decoder layer. It has no parameters and no buffers, so state dicts stay as they were."""

    def __init__(self) -> None:
        super().__init__()
        self.armed: Armed | None = None

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the input itself when idle, and the steered stream when armed."""
        return hidden if self.armed is None else self.armed(hidden)


def install(layer: nn.Module) -> Steer:
    """Give a decoder layer a `steer` child that its output passes through. The layer stays the same object."""
    steer = Steer()
    layer.add_module("steer", steer)
    layer.__class__ = _steered_class(type(layer))
    return steer


def arm(plans: Sequence[SteeringPlan], device: torch.device) -> dict[int, ArmedLayer]:
    """Return layer -> what to do there, one plan a row of the batch."""
    layers = sorted({layer for plan in plans for layer in plan.layers})
    return {layer: _arm_layer([plan.by_layer(layer) for plan in plans], device) for layer in layers}


_STEERED: dict[type[nn.Module], type[nn.Module]] = {}


def _steered_class(base: type[nn.Module]) -> type[nn.Module]:
    if base not in _STEERED:
        _STEERED[base] = type(f"Steered{base.__name__}", (base,), {"forward": _steered_forward(base)})
    return _STEERED[base]


def _steered_forward(base: type[nn.Module]) -> Callable[..., Any]:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        output = base.forward(self, *args, **kwargs)
        if isinstance(output, tuple):
            return (self.steer(output[0]), *output[1:])
        return self.steer(output)

    return forward


def _arm_layer(plans: list[SteeringPlan], device: torch.device) -> ArmedLayer:
    hidden = next(_directions(plans)).shape[-1]
    clamps = tuple(_arm_clamps([_by_direction(plan.clamps) for plan in plans], hidden, device))
    audits = tuple(_arm_clamps([plan.audits for plan in plans], hidden, device))
    return ArmedLayer(
        add=_stack([_total(plan, hidden) for plan in plans], device) if any(p.additions for p in plans) else None,
        clamps=clamps,
        probe=_stack([_probe(plan, hidden) for plan in plans], device) if any(p.probes for p in plans) else None,
        tally=Tally(len(plans), device, len(audits)),
        joint=Joint.of(clamps),
        audits=audits,
    )


def _directions(plans: list[SteeringPlan]) -> Iterator[Tensor]:
    for plan in plans:
        yield from (addition.direction for addition in plan.additions)
        yield from (clamp.unit_direction for clamp in (*plan.clamps, *plan.audits))
        yield from (probe.unit_direction for probe in plan.probes)


def _total(plan: SteeringPlan, hidden: int) -> Tensor:
    return sum((addition.direction.float() for addition in plan.additions), torch.zeros(hidden))


def _probe(plan: SteeringPlan, hidden: int) -> Tensor:
    if len(plan.probes) > 1:
        layer, names = plan.probes[0].layer, " and ".join(probe.name for probe in plan.probes)
        raise SteeringError(f"layer {layer} has the probes {names}, and a layer carries one; probe another layer")
    return plan.probes[0].unit_direction.float() if plan.probes else torch.zeros(hidden)


def _by_direction(clamps: Sequence[ClampProjection]) -> list[ClampProjection]:
    """Return one clamp a direction: the tightest bounds on it. Where they contradict, the lower end holds.

    A joined clamp stands where the last clamp on its direction stood.
    """
    joined: list[ClampProjection] = []
    for clamp in clamps:
        others = [other for other in joined if not torch.equal(other.unit_direction, clamp.unit_direction)]
        same = [other for other in joined if torch.equal(other.unit_direction, clamp.unit_direction)]
        low = max([clamp.low, *(other.low for other in same)])
        high = max(low, min([clamp.high, *(other.high for other in same)]))
        joined = [*others, replace(clamp, low=low, high=high)]
    return joined


def _arm_clamps(clamps: Sequence[Sequence[ClampProjection]], hidden: int, device: torch.device) -> Iterator[ArmedClamp]:
    idle = ClampProjection(0, torch.zeros(hidden))
    for index in range(max(len(row_clamps) for row_clamps in clamps)):
        rows = [row_clamps[index] if index < len(row_clamps) else idle for row_clamps in clamps]
        yield ArmedClamp(
            _stack([row.unit_direction for row in rows], device),
            torch.tensor([[row.low] for row in rows], device=device),
            _upper([row.high for row in rows], device),
        )


def _upper(bounds: Sequence[float], device: torch.device) -> Float[Tensor, "rows 1"] | None:
    bounded = any(bound < math.inf for bound in bounds)
    return torch.tensor([[bound] for bound in bounds], device=device) if bounded else None


def _stack(rows: list[Tensor], device: torch.device) -> Float[Tensor, "rows 1 hidden"]:
    return torch.stack([row.float() for row in rows]).unsqueeze(1).to(device)
