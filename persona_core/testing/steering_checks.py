"""Steering checks: assert that capping policies and blending strategies keep their contracts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from persona_core.base.names import check_name
from persona_core.errors import SafetyUnavailable
from persona_core.steering.blending import BlendingStrategy, WeightedVector
from persona_core.steering.capping import CappingContext, CappingPolicy
from persona_core.steering.plan import ClampProjection
from persona_core.testing.examples import assert_is_a, close, example_context, example_vector
from persona_core.vectors.vector import PersonaVector

if TYPE_CHECKING:
    from torch import Tensor


def check_capping_policy(policy: CappingPolicy) -> None:
    """Assert that a policy returns usable bounds, the same twice, for a calm and for a drifting conversation.

    Where the model has no assistant axis, the policy may raise `SafetyUnavailable`.
    """
    check_name(policy.name, kind="capping policy")
    context = example_context()
    below = float(context.axes["assistant"].quantiles[0, context.probe_layer])
    turns = [{"assistant": below + distance} for distance in (5.0, 0.0, -5.0)]
    for length in range(len(turns) + 1):
        _check_clamps(policy, replace(context, history=turns[:length]))
    with suppress(SafetyUnavailable):
        _check_clamps(policy, replace(context, axes={"safety": context.axes["safety"]}))


def check_blending_strategy(strategy: BlendingStrategy) -> None:
    """Assert that a strategy adds finite numbers at the target layers alone, and heeds weights but not order.

    Doubled weights must double the displacement, as a doubled strength does.
    """
    check_name(strategy.name, kind="blending strategy")
    vectors = [example_vector(name) for name in ("sage", "trickster", "guardian")]
    for count in (1, 2, 3):
        _check_blend(strategy, vectors[:count], (0.5, 0.3, 0.2)[:count])
    opposed = [vectors[0], replace(vectors[1], directions=-vectors[0].directions)]
    _check_displacement(strategy, _parts(opposed, (0.5, 0.5)))
    one, other = (strategy.blend(_parts(vectors[:2], weights)) for weights in ((0.5, 0.1), (0.1, 0.5)))
    told = not close(one, other)
    assert told, f"{strategy.name}: exchanged weights change nothing; multiply each displacement by its own weight"


def _check_clamps(policy: CappingPolicy, context: CappingContext) -> None:
    before = _content(context)
    clamps = list(policy.clamps(context))
    kept = _content(context) == before
    assert kept, f"{policy.name}: it changes its context; copy a tensor (`clone()`) before you change it in place"
    for clamp in clamps:
        assert_is_a(ClampProjection, clamp, f"{policy.name}: a bound")
        _check_clamp(policy.name, clamp, context)
    again = list(policy.clamps(context))
    same = _as_data(clamps) == _as_data(again)
    assert same, (
        f"{policy.name}: the same context gives other bounds the second time; "
        "compute them from the context alone, without random numbers and without a state of its own"
    )


def _check_clamp(policy: str, clamp: ClampProjection, context: CappingContext) -> None:
    bound = f"{policy}: the bound {clamp.name!r} of layer {clamp.layer}"
    n_layers, hidden = context.axes["safety"].directions.shape
    assert 0 <= clamp.layer < n_layers, f"{bound} is for no layer of the model; use the layers of `context.layers`"
    row = clamp.unit_direction.shape == (hidden,)
    assert row, f"{bound} has a direction of the wrong shape; use one row of an axis: `axis.directions[layer]`"
    length = float(clamp.unit_direction.norm())
    right = abs(length - 1) < 1e-3
    assert right, f"{bound} has a direction of length {length:g}; it must be 1: `persona_core.unit` makes it"
    sound = clamp.low <= clamp.high and clamp.low < math.inf and clamp.high > -math.inf
    assert sound, f"{bound} runs from {clamp.low:g} to {clamp.high:g}; give a low that is at most the high"
    assert clamp.name, f"{bound} has no name; name it after its axis"


def _as_data(clamps: Sequence[ClampProjection]) -> list[object]:
    return [(clamp.layer, clamp.unit_direction.tolist(), clamp.low, clamp.high, clamp.name) for clamp in clamps]


def _content(context: CappingContext) -> object:
    axes = {name: (axis.directions.tolist(), axis.quantiles.tolist()) for name, axis in context.axes.items()}
    return axes, [dict(turn) for turn in context.history]


def _check_blend(strategy: BlendingStrategy, vectors: Sequence[PersonaVector], weights: Sequence[float]) -> None:
    parts = _parts(vectors, weights)
    moved = _check_displacement(strategy, parts)
    assert moved.any(), f"{strategy.name}: {len(parts)} personas that differ add nothing; add their displacements"
    turned = strategy.blend(parts[::-1])
    same = close(turned, moved)
    assert same, f"{strategy.name}: the order of the personas changes the blend; sort the parts by `part.vector.name`"
    doubled = strategy.blend(_parts(vectors, [2 * weight for weight in weights]))
    linear = close(doubled, 2 * moved)
    assert linear, (
        f"{strategy.name}: twice the weights do not give twice the displacement; "
        "use weights relative to each other (weight * weight / greatest), not their squares or thresholds"
    )


def _check_displacement(strategy: BlendingStrategy, parts: Sequence[WeightedVector]) -> Tensor:
    """Return the displacement of a blend, once it is sound and the same twice."""
    import torch

    vector = parts[0].vector
    before = [part.vector.directions.tolist() for part in parts]
    moved = strategy.blend(parts)
    assert_is_a(torch.Tensor, moved, f"{strategy.name}: what blend returns")
    shape, expected = tuple(moved.shape), tuple(vector.directions.shape)
    assert shape == expected, (
        f"{strategy.name}: shape {shape}, not {expected}; return one row a layer, as displacement() does"
    )
    assert moved.dtype == torch.float32, f"{strategy.name}: {moved.dtype}; it must be float32: return `moved.float()`"
    finite = torch.isfinite(moved).all()
    assert finite, f"{strategy.name}: numbers that are not finite; look for a division by 0 where personas cancel"
    still = [layer for layer in range(len(moved)) if layer not in vector.header.target_layers]
    silent = not moved[still].any()
    assert silent, f"{strategy.name}: it adds at layers that are not steered; start from displacement(), zero at those"
    same = torch.equal(strategy.blend(parts), moved)
    assert same, (
        f"{strategy.name}: another result the second time; use the parts alone, without random numbers or state"
    )
    unchanged = before == [part.vector.directions.tolist() for part in parts]
    assert unchanged, (
        f"{strategy.name}: it changes the personas; copy a tensor (`clone()`) before you change it in place"
    )
    return moved


def _parts(vectors: Sequence[PersonaVector], weights: Iterable[float]) -> list[WeightedVector]:
    return [WeightedVector(vector, weight) for vector, weight in zip(vectors, weights, strict=True)]
