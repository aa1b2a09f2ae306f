"""Planning: turns a request into a steering plan, or into an error that says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from persona_core.engine.checked import checked_blend, checked_bounds, few_enough
from persona_core.engine.request import SteeringRequest
from persona_core.errors import SafetyUnavailable, SteeringError, VectorError, VectorNotFound
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.manager import PersonaManager
from persona_core.steering.blending import WeightedVector
from persona_core.steering.capping import CappingContext, PercentileFloor
from persona_core.steering.plan import AddDirection, ClampProjection, ProbeProjection, SteeringPlan
from persona_core.vectors.store import ASSISTANT, SAFETY
from persona_core.vectors.vector import Axis


def build_plan(
    model: ModelWrapper,
    manager: PersonaManager,
    request: SteeringRequest,
    history: Sequence[Mapping[str, float]] = (),
) -> SteeringPlan:
    """Return the plan that serves a request; raise a `SteeringError` or `VectorError` where none can."""
    vectors = {name: manager.persona(name, model.identity) for name in request.personas}
    parts = [
        WeightedVector(vectors[name].decoded(bool(request.guidance)), weight) for name, weight in request.active.items()
    ]
    probes = _probes(model, manager)
    if request.holds_floor:
        _check_layers(model, parts)
    bounds = _bounds(model, manager, history) if request.holds_floor else ()
    clamps, audits = (tuple(bound for bound in bounds if bound.audit is audit) for audit in (False, True))
    if not parts:
        return SteeringPlan((), clamps, probes, audits=audits)
    label = "+".join(request.active)
    return SteeringPlan(_additions(manager, parts, request), clamps, probes, label, audits, request.guidance)


def _additions(
    manager: PersonaManager, parts: Sequence[WeightedVector], request: SteeringRequest
) -> tuple[AddDirection, ...]:
    name = manager.config.steering.blending
    strategy = manager.plugins.item("register_blending_strategies", name, "blending strategy")
    displacement = request.strength * checked_blend(strategy, parts)
    layers = [layer for layer in range(len(displacement)) if bool(displacement[layer].any())]
    if not layers:
        raise SteeringError("the blended personas cancel each other out; change the weights")
    return tuple(AddDirection(layer, displacement[layer]) for layer in layers)


def _check_layers(model: ModelWrapper, parts: Sequence[WeightedVector]) -> None:
    """Raise `SteeringError` for a persona that steers a layer where no floor can hold it."""
    for part in parts:
        last = part.vector.header.target_layers[-1]
        if last > model.capping_layers[-1]:
            raise SteeringError(
                f"{part.vector.name} steers layer {last}, after the last capping layer {model.capping_layers[-1]}, "
                "where no floor can hold it; change steering.capping_layers, or extract it anew with other "
                "extraction.target_layers"
            )


def _bounds(
    model: ModelWrapper, manager: PersonaManager, history: Sequence[Mapping[str, float]]
) -> tuple[ClampProjection, ...]:
    """Return the policy's bounds and, after them, the configured floor, so that no policy can open it."""
    settings = manager.config.steering
    policy = manager.plugins.item("register_capping_policies", settings.capping_policy, "capping policy")
    axes = {"safety": _safety_axis(model, manager)} | _assistant_axis(model, manager)
    context = CappingContext(
        axes, model.capping_layers, settings.safety_floor_percentile, model.target_layers[-1], history
    )
    floor = PercentileFloor()
    bounds = () if policy.value.name == floor.name else checked_bounds(policy, context)
    with_floor = (*bounds, *floor.clamps(context))
    few_enough(with_floor, policy.value.name)
    return with_floor


def _safety_axis(model: ModelWrapper, manager: PersonaManager) -> Axis:
    try:
        return manager.store.axis(SAFETY, model.identity)
    except VectorNotFound as error:
        raise SafetyUnavailable(
            f"no safety axis for {model.identity.name}, so its floor cannot be held; run "
            "`persona-steer extract-axes`, or steer without a floor with `--safety off`"
        ) from error
    except VectorError as error:
        raise SafetyUnavailable(f"the safety floor cannot be held: {error}") from error


def _assistant_axis(model: ModelWrapper, manager: PersonaManager) -> dict[str, Axis]:
    if manager.store.part_path(ASSISTANT) is None:
        return {}
    return {"assistant": manager.store.axis(ASSISTANT, model.identity)}


def _probes(model: ModelWrapper, manager: PersonaManager) -> tuple[ProbeProjection, ...]:
    """Return the probes: the assistant axis after the last steered layer, the safety axis after the last capped one."""
    probes = []
    assistant, safety = model.target_layers[-1], model.capping_layers[-1]
    for axis in _assistant_axis(model, manager).values():
        probes.append(ProbeProjection(assistant, axis.directions[assistant]))
    # ignore a broken safety axis here: this is only a reading, and `_bounds` raises if the floor needs the axis
    with suppress(VectorError):
        if safety != assistant:
            axis = manager.store.axis(SAFETY, model.identity)
            probes.append(ProbeProjection(safety, axis.directions[safety], "safety"))
    return tuple(probes)
