"""Layer bands: chooses the layers at which a persona gains its own replies the most for what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from persona_core.base.layers import resolve_layers
from persona_core.base.progress import Progress, silent
from persona_core.model.scoring import plan_costs, plan_gains
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.plan import AddDirection, SteeringPlan
from persona_core.vectors.vector import PersonaVector

_DOSE = 0.12
"""The dose at which bands are compared."""
_CLEARLY = 1.1
"""Another band must be better than the configured one by this factor: smaller differences are noise."""

Exchange = tuple[Sequence[int], Sequence[int]]
"""(question without a system prompt, reply), as tokens."""


def best_band(
    model: ModelWrapper,
    vector: PersonaVector,
    persona: Sequence[Exchange],
    default: Sequence[Exchange],
    *,
    progress: Progress = silent,
) -> PersonaVector:
    """Return the vector at the configured layers, or at those of another candidate band that is clearly better.

    A band's worth is how much likelier one dose makes the persona's own replies, less the default's replies, divided
    by the root of the KL on the default's replies: the gain grows with the dose, the KL with its square.
    """
    bands = candidate_bands(model)
    if len(bands) == 1:
        return vector.with_header(target_layers=bands[0])
    worths = _worths(model, [vector.with_header(target_layers=band) for band in bands], persona, default, progress)
    best = max(range(len(bands)), key=worths.__getitem__)
    chosen = best if worths[best] > _CLEARLY * worths[0] else 0
    return vector.with_header(target_layers=bands[chosen])


def candidate_bands(model: ModelWrapper) -> list[tuple[int, ...]]:
    """Return the configured layers, then the candidate bands that end no later than the last capping layer."""
    candidates = [resolve_layers(spec, model.n_layers) for spec in model.config.extraction.layer_bands]
    capped = [band for band in candidates if band[-1] <= model.capping_layers[-1]]
    return list(dict.fromkeys([model.target_layers, *capped]))


def dose_plan(vector: PersonaVector, dose: float, guidance: float = 0.0) -> SteeringPlan:
    """Return a plan that adds a persona at one dose, without a floor."""
    displacement = vector.displacement(dose)
    additions = tuple(AddDirection(layer, displacement[layer]) for layer in vector.header.target_layers)
    return SteeringPlan(additions, guidance=guidance)


def _worths(
    model: ModelWrapper,
    vectors: Sequence[PersonaVector],
    persona: Sequence[Exchange],
    default: Sequence[Exchange],
    progress: Progress,
) -> list[float]:
    plans, stage = [dose_plan(vector, _DOSE) for vector in vectors], f"{vectors[0].name}: layers"
    progress(stage, 0, 3)
    persona_gains = _gains(model, persona, plans)
    progress(stage, 1, 3)
    default_gains = _gains(model, default, plans)
    progress(stage, 2, 3)
    kls = [kl for kl, _ in plan_costs(model, *_sides(default), plans)]
    progress(stage, 3, 3)
    figures = zip(persona_gains, default_gains, kls, strict=True)
    return [(persona_gain - default_gain) / math.sqrt(max(kl, 1e-9)) for persona_gain, default_gain, kl in figures]


def _gains(model: ModelWrapper, exchanges: Sequence[Exchange], plans: Sequence[SteeringPlan]) -> list[float]:
    return [float(gains.mean()) for gains in plan_gains(model, *_sides(exchanges), plans)]


def _sides(exchanges: Sequence[Exchange]) -> tuple[list[Sequence[int]], list[Sequence[int]]]:
    """Return all questions and all replies."""
    return [question for question, _ in exchanges], [reply for _, reply in exchanges]
