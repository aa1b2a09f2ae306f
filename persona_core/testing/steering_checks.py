"""Checks of what steers: capping policies and blending strategies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from persona_core.blending import BlendingStrategy, WeightedVector
from persona_core.capping import CappingContext, CappingPolicy
from persona_core.errors import SafetyUnavailable
from persona_core.names import check_name
from persona_core.persona_vector import PersonaVector
from persona_core.steering_plan import ClampProjection
from persona_core.testing.examples import close, example_context, example_vector

if TYPE_CHECKING:
    from torch import Tensor


def check_capping_policy(policy: CappingPolicy) -> None:
    """Assert that a policy returns usable bounds, the same each time, for a calm and for a drifting conversation.

    Without an assistant axis it may raise `SafetyUnavailable`.
    """
    check_name(policy.name, kind="capping policy")
    context = example_context()
    below = float(context.axes["assistant"].quantiles[0, context.probe_layer])
    turns = [{"assistant": below + place} for place in (5.0, 0.0, -5.0)]
    for length in range(len(turns) + 1):
        _check_clamps(policy, replace(context, history=turns[:length]))
    with suppress(SafetyUnavailable):
        _check_clamps(policy, replace(context, axes={"safety": context.axes["safety"]}))


def check_blending_strategy(strategy: BlendingStrategy) -> None:
    """Assert that a strategy adds finite numbers at the target layers alone, and reads weights and not order.

    Twice the weights give twice the displacement, as strength does.
    """
    check_name(strategy.name, kind="blending strategy")
    vectors = [example_vector(name) for name in ("sage", "trickster", "guardian")]
    for count in (1, 2, 3):
        _check_blend(strategy, vectors[:count], (0.5, 0.3, 0.2)[:count])
    opposed = [vectors[0], replace(vectors[1], directions=-vectors[0].directions)]
    _check_displacement(strategy, _parts(opposed, (0.5, 0.5)))
    one, other = (strategy.blend(_parts(vectors[:2], weights)) for weights in ((0.5, 0.1), (0.1, 0.5)))
    assert not close(one, other), f"{strategy.name}: exchanged weights change nothing"


def _check_clamps(policy: CappingPolicy, context: CappingContext) -> None:
    before = _content(context)
    clamps = list(policy.clamps(context))
    assert _content(context) == before, f"{policy.name}: it changes its context"
    for clamp in clamps:
        _check_clamp(policy.name, clamp, context)
    again = list(policy.clamps(context))
    assert _told(clamps) == _told(again), f"{policy.name}: the same context gives other bounds the second time"


def _check_clamp(policy: str, clamp: ClampProjection, context: CappingContext) -> None:
    what = f"{policy}: the bound {clamp.name!r} of layer {clamp.layer}"
    n_layers, hidden = context.axes["safety"].directions.shape
    assert 0 <= clamp.layer < n_layers, f"{what} is for no layer of the model"
    assert clamp.unit_direction.shape == (hidden,), f"{what} has a direction of the wrong shape"
    length = float(clamp.unit_direction.norm())
    assert abs(length - 1) < 1e-3, f"{what} has a direction of length {length:g}; it must be 1"
    sound = clamp.low <= clamp.high and clamp.low < math.inf and clamp.high > -math.inf
    assert sound, f"{what} runs from {clamp.low:g} to {clamp.high:g}"
    assert clamp.name, f"{what} has no name"


def _told(clamps: Sequence[ClampProjection]) -> list[object]:
    return [(clamp.layer, clamp.unit_direction.tolist(), clamp.low, clamp.high, clamp.name) for clamp in clamps]


def _content(context: CappingContext) -> object:
    axes = {name: (axis.directions.tolist(), axis.quantiles.tolist()) for name, axis in context.axes.items()}
    return axes, [dict(turn) for turn in context.history]


def _check_blend(strategy: BlendingStrategy, vectors: Sequence[PersonaVector], weights: Sequence[float]) -> None:
    parts = _parts(vectors, weights)
    moved = _check_displacement(strategy, parts)
    assert moved.any(), f"{strategy.name}: {len(parts)} personas that differ add nothing"
    turned = strategy.blend(parts[::-1])
    assert close(turned, moved), f"{strategy.name}: the order of the personas changes the blend"
    doubled = strategy.blend(_parts(vectors, [2 * weight for weight in weights]))
    assert close(doubled, 2 * moved), f"{strategy.name}: twice the weights do not give twice the displacement"


def _check_displacement(strategy: BlendingStrategy, parts: Sequence[WeightedVector]) -> Tensor:
    """Return the blend of the parts, sound and the same twice."""
    import torch

    vector = parts[0].vector
    before = [part.vector.directions.tolist() for part in parts]
    moved = strategy.blend(parts)
    assert moved.shape == vector.directions.shape, f"{strategy.name}: shape {tuple(moved.shape)}"
    assert moved.dtype == torch.float32, f"{strategy.name}: {moved.dtype}; it must be float32"
    assert torch.isfinite(moved).all(), f"{strategy.name}: numbers that are not finite"
    still = [layer for layer in range(len(moved)) if layer not in vector.header.target_layers]
    assert not moved[still].any(), f"{strategy.name}: it adds at layers that are not steered"
    assert torch.equal(strategy.blend(parts), moved), f"{strategy.name}: another result the second time"
    unchanged = before == [part.vector.directions.tolist() for part in parts]
    assert unchanged, f"{strategy.name}: it changes the personas"
    return moved


def _parts(vectors: Sequence[PersonaVector], weights: Iterable[float]) -> list[WeightedVector]:
    return [WeightedVector(vector, weight) for vector, weight in zip(vectors, weights, strict=True)]
