"""Layer bands: which layers a persona is best added at, by what it does for its own replies per what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from persona_core.base.layers import resolve_layers
from persona_core.base.progress import Progress, silent
from persona_core.model.scoring import plan_costs, plan_gains
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.plan import AddDirection, SteeringPlan
from persona_core.vectors.vector import PersonaVector

_DOSE = 0.12
_CLEARLY = 1.1
"""Another band must be better than the configured one by this factor: smaller differences are noise."""

Exchange = tuple[Sequence[int], Sequence[int]]
"""(bare prompt, reply)"""


def best_band(
    model: ModelWrapper,
    vector: PersonaVector,
    own: Sequence[Exchange],
    default: Sequence[Exchange],
    *,
    progress: Progress = silent,
) -> PersonaVector:
    """Return the vector at the configured layers, or at those of another candidate band that is clearly better.

    A band's worth is how much likelier one dose makes the persona's own replies, less the default's, divided by the
    root of the KL that it costs on the default's (gain grows with the dose, KL with its square).
    """
    bands = candidate_bands(model)
    if len(bands) == 1:
        return vector.with_header(target_layers=bands[0])
    worths = _worths(model, [vector.with_header(target_layers=band) for band in bands], own, default, progress)
    best = max(range(len(bands)), key=worths.__getitem__)
    chosen = best if worths[best] > _CLEARLY * worths[0] else 0
    return vector.with_header(target_layers=bands[chosen])


def candidate_bands(model: ModelWrapper) -> list[tuple[int, ...]]:
    """Return the configured layers first, then the other bands that end where the floor still holds."""
    specs = model.config.extraction.layer_bands
    others = [resolve_layers(spec, model.n_layers) for spec in specs]
    held = [band for band in others if band[-1] <= model.capping_layers[-1]]
    return list(dict.fromkeys([model.target_layers, *held]))


def dose_plan(vector: PersonaVector, dose: float) -> SteeringPlan:
    """Return a plan that adds a persona at one dose, without a floor."""
    displacement = vector.displacement(dose)
    return SteeringPlan(tuple(AddDirection(layer, displacement[layer]) for layer in vector.header.target_layers))


def _worths(
    model: ModelWrapper,
    vectors: Sequence[PersonaVector],
    own: Sequence[Exchange],
    default: Sequence[Exchange],
    progress: Progress,
) -> list[float]:
    plans = [dose_plan(vector, _DOSE) for vector in vectors]
    steps: tuple[Callable[[], list[float]], ...] = (
        lambda: _gains(model, own, plans),
        lambda: _gains(model, default, plans),
        lambda: [kl for kl, _ in plan_costs(model, *_sides(default), plans)],
    )
    found = []
    for place, step in enumerate(steps):
        progress(f"{vectors[0].name}: layers", place, len(steps))
        found.append(step())
    progress(f"{vectors[0].name}: layers", len(steps), len(steps))
    return [(ours - theirs) / math.sqrt(max(kl, 1e-9)) for ours, theirs, kl in zip(*found, strict=True)]


def _gains(model: ModelWrapper, exchanges: Sequence[Exchange], plans: Sequence[SteeringPlan]) -> list[float]:
    return [float(gains.mean()) for gains in plan_gains(model, *_sides(exchanges), plans)]


def _sides(exchanges: Sequence[Exchange]) -> tuple[list[Sequence[int]], list[Sequence[int]]]:
    """Return (bare prompts, replies)."""
    return [asked for asked, _ in exchanges], [reply for _, reply in exchanges]
