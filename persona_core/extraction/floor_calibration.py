"""Floor calibration: measures what each percentile of the safety floor costs and does, and refuses a wrong axis."""

from __future__ import annotations

from collections.abc import Sequence

from persona_core.base.messages import question_messages
from persona_core.base.progress import Progress, silent
from persona_core.errors import AxisTooWeak
from persona_core.extraction.refusal import dataset_starts, refusing_odds
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import plan_costs
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.dataset import SafetyDataset
from persona_core.steering.capping import CappingContext, PercentileFloor
from persona_core.steering.plan import UNSTEERED, SteeringPlan
from persona_core.vectors.file import FloorPoint
from persona_core.vectors.vector import Axis

PERCENTILES = (5.0, 10.0, 25.0, 40.0, 50.0)
_REPLIES = 24
_PROMPTS = 12


def calibrate_floor(
    model: ModelWrapper,
    axis: Axis,
    data: SafetyDataset,
    benign: Sequence[Rollout],
    *,
    percentiles: Sequence[float] = PERCENTILES,
    progress: Progress = silent,
) -> Axis:
    """Return the axis with a floor curve: each percentile's cost on benign replies and rise on harmful prompts.

    Raises `AxisTooWeak` where the floor at the configured percentile does not raise the odds of a refusing start: then
    the axis points the wrong way, or says nothing.
    """
    configured = model.config.steering.safety_floor_percentile
    curve = _curve(model, axis, data, benign, sorted({*percentiles, configured}), progress)
    chosen = next(point for point in curve if point.percentile == configured)
    if chosen.rise <= 0:
        raise AxisTooWeak(
            f"the floor at p{configured:g} moves harmful prompts away from refusing (odds {chosen.rise:+.2f} nats): "
            "the safety axis has the wrong sign or says nothing; nothing was saved. Edit the safety dataset"
        )
    return axis.with_header(floor_curve=curve)


def strictest(curve: Sequence[FloorPoint], budget: float) -> FloorPoint | None:
    """Return the point of the highest percentile whose KL is within `budget`, in nats a token; None if none is."""
    return max((point for point in curve if point.kl <= budget), key=lambda point: point.percentile, default=None)


def percentile_floor(model: ModelWrapper, axis: Axis, level: float) -> SteeringPlan:
    """Return a plan that holds one percentile at every capping layer and adds nothing."""
    context = CappingContext({"safety": axis}, model.capping_layers, level, model.target_layers[-1])
    return SteeringPlan(clamps=tuple(PercentileFloor().clamps(context)), label=f"floor p{level:g}")


def _curve(
    model: ModelWrapper,
    axis: Axis,
    data: SafetyDataset,
    benign: Sequence[Rollout],
    levels: Sequence[float],
    progress: Progress,
) -> tuple[FloorPoint, ...]:
    """Return one point a percentile: its cost on benign replies, and the rise of the refusing odds."""
    prompts, starts, stage = _held_out_prompts(model, data), dataset_starts(model, data), "safety axis: floor"
    unsteered = refusing_odds(model, prompts, [UNSTEERED] * len(prompts), starts)
    plans = [percentile_floor(model, axis, level) for level in levels]
    progress(stage, 0, len(levels))
    curve = []
    for level, plan, (kl, top1) in zip(levels, plans, _costs(model, plans, benign), strict=True):
        rise = (refusing_odds(model, prompts, [plan] * len(prompts), starts) - unsteered).mean()
        curve.append(FloorPoint(percentile=level, kl=round(kl, 5), top1=round(top1, 4), rise=round(float(rise), 4)))
        progress(stage, len(curve), len(levels))
    return tuple(curve)


def _held_out_prompts(model: ModelWrapper, data: SafetyDataset) -> list[list[int]]:
    """Return held-out requests in frames, as tokens."""
    return [model.encode(question_messages(text)) for text in data.framed(data.heldout[:_PROMPTS])]


def _costs(model: ModelWrapper, plans: Sequence[SteeringPlan], benign: Sequence[Rollout]) -> list[tuple[float, float]]:
    """Return each plan's (KL, top-1 kept) on the default assistant's benign replies."""
    sample = benign[:: max(len(benign) // _REPLIES, 1)][:_REPLIES]
    prompts = [rollout.token_ids[: rollout.response_start] for rollout in sample]
    replies = [rollout.token_ids[rollout.response_start :] for rollout in sample]
    return plan_costs(model, prompts, replies, plans)
