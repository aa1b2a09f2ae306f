"""Checked calls: what a package's strategy or policy returns is checked before any of it reaches the model.

A package is given copies, so nothing that it writes to is used. A result of a wrong form, or one that is late, is
refused with the package's name. The core adds the configured floor after every policy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from persona_core.base.background import within
from persona_core.errors import PersonaError, SafetyUnavailable, SteeringError
from persona_core.settings.installed import Registered
from persona_core.steering.blending import BlendingStrategy, WeightedVector
from persona_core.steering.capping import CappingContext, CappingPolicy
from persona_core.steering.clamping import MOST
from persona_core.steering.plan import ClampProjection

SECONDS = 5.0
"""Time limit in seconds for one call of a strategy or a policy."""
T = TypeVar("T")


def checked_blend(registered: Registered, parts: Sequence[WeightedVector]) -> Tensor:
    """Return a strategy's displacement, float32 [layer, hidden]; raise `SteeringError` unless it is one.

    A displacement is finite, on the vectors' device, and zero at every layer that none of the personas steers.
    """
    strategy: BlendingStrategy = registered.value
    who = f"the blending strategy {strategy.name!r} of {registered.distribution}"
    copies = [WeightedVector(copied(part.vector), part.weight) for part in parts]
    moved: object = _called(who, SteeringError, lambda: plain(strategy.blend(copies)))
    problem = _displacement_problem(moved, [part.vector for part in parts])
    if problem:
        raise SteeringError(f"{who} returned {problem}; set steering.blending to another one")
    assert isinstance(moved, Tensor)
    return moved


def checked_bounds(registered: Registered, context: CappingContext) -> tuple[ClampProjection, ...]:
    """Return a policy's bounds; raise `SafetyUnavailable`, which stops the reply, for anything else it returns."""
    policy: CappingPolicy = registered.value
    who = f"the capping policy {policy.name!r} of {registered.distribution}"
    axes = {name: copied(axis) for name, axis in context.axes.items()}
    given = replace(context, axes=axes, history=[dict(turn) for turn in context.history])
    bounds: object = _called(who, SafetyUnavailable, lambda: tuple(map(plain_clamp, policy.clamps(given))))
    assert isinstance(bounds, tuple)
    hidden = next(iter(context.axes.values())).directions
    for clamp in bounds:
        if problem := _clamp_problem(clamp, hidden):
            raise SafetyUnavailable(f"{who} returned {problem}; set steering.capping_policy to another one")
    return bounds


def plain_clamp(clamp: object) -> object:
    """Return a bound made of plain numbers and a plain tensor, whatever classes the package made it of."""
    if not isinstance(clamp, ClampProjection):
        return clamp
    bounds = [float(bound) if type(bound) is int else bound for bound in (plain(clamp.low), plain(clamp.high))]
    fields: Any = (plain(clamp.layer), plain(clamp.unit_direction), *bounds, str(clamp.name), bool(clamp.audit))
    return ClampProjection(*fields)


def plain(value: object) -> object:
    """Return a tensor as a dense float32 copy, and a number as Python's own; anything else as it is.

    A subclass may lie about what it compares to or which shape it has: only what Python and torch themselves read of it
    is used.
    """
    if isinstance(value, Tensor):
        with torch._C.DisableTorchFunctionSubclass():
            bare = value.detach()
            dense = (bare if bare.layout == torch.strided else bare.to_dense()).as_subclass(Tensor)
            return (dense.to(torch.float32) if dense.is_floating_point() else dense).clone()
    if isinstance(value, float):
        return float.__add__(value, 0.0)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__add__(value, 0)
    return value


def few_enough(clamps: Sequence[ClampProjection], policy: str) -> None:
    """Raise `SafetyUnavailable` where a layer has more bounded directions than can be held at once."""
    held = {(clamp.layer, tuple(clamp.unit_direction.tolist())) for clamp in clamps if not clamp.audit}
    for layer in sorted({layer for layer, _ in held}):
        different = sum(held_layer == layer for held_layer, _ in held)
        if different > MOST:
            raise SafetyUnavailable(
                f"capping policy {policy!r} bounds {different} directions of layer {layer}, and at most {MOST} "
                "can be held at once; use another policy"
            )


def copied(record: T) -> T:
    """Return a copy of a dataclass whose tensors are copies too."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}  # type: ignore[arg-type]
    tensors = {name: value.clone() for name, value in values.items() if isinstance(value, Tensor)}
    return replace(record, **tensors)  # type: ignore[type-var]


def _called(who: str, error: type[PersonaError], function: Callable[..., T], *args: object) -> T:
    """Call a package's function. Its own `PersonaError` passes through; any other error becomes one that names it."""
    try:
        return within(SECONDS, who, function, *args)
    except PersonaError:
        raise
    except (Exception, SystemExit) as raised:
        said = " ".join(f"{type(raised).__name__}: {raised}".split())
        raise error(f"{who} failed ({said}); use another one, or tell its authors") from raised


def _displacement_problem(moved: object, vectors: Sequence[Any]) -> str:
    expected = vectors[0].directions
    if not isinstance(moved, Tensor):
        return f"{type(moved).__name__}, not a tensor"
    if moved.shape != expected.shape:
        return f"the shape {list(moved.shape)}, not {list(expected.shape)}"
    if moved.device != expected.device:
        return f"a tensor on {moved.device}, not on {expected.device}"
    if not moved.is_floating_point() or not bool(torch.isfinite(moved).all()):
        return "numbers that are not finite"
    steered = {layer for vector in vectors for layer in vector.header.target_layers}
    elsewhere = [layer for layer in range(len(moved)) if layer not in steered and bool(moved[layer].any())]
    return f"a change of layer {elsewhere[0]}, which none of the personas steers" if elsewhere else ""


def _clamp_problem(clamp: object, directions: Tensor) -> str:
    if not isinstance(clamp, ClampProjection):
        return f"{type(clamp).__name__}, not a ClampProjection"
    n_layers, hidden = directions.shape
    if type(clamp.layer) is not int or not 0 <= clamp.layer < n_layers:
        return f"an unusable bound: layer {clamp.layer} of a model that has {n_layers}"
    axis = clamp.unit_direction
    if not isinstance(axis, Tensor) or axis.shape != (hidden,) or axis.device != directions.device:
        return (
            f"an unusable bound for layer {clamp.layer}: its direction is not {hidden} numbers on {directions.device}"
        )
    if not abs(float(axis.float().norm()) - 1) < 1e-3:
        return f"an unusable bound for layer {clamp.layer}: the length of its direction is not 1"
    return "" if _is_range(clamp.low, clamp.high) else f"an unusable bound for layer {clamp.layer}: its range is empty"


def _is_range(low: object, high: object) -> bool:
    numbers = type(low) in (int, float) and type(high) in (int, float)
    return numbers and low <= high and low < math.inf and high > -math.inf  # type: ignore[operator]
