"""Layer bands: which layers a persona is best added at, by what it does for its own replies per what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from persona_core.layers import resolve_layers
from persona_core.model_wrapper import ModelWrapper
from persona_core.persona_vector import PersonaVector
from persona_core.progress import Progress, silent
from persona_core.scoring import plan_cost, plan_gain
from persona_core.steering_plan import AddDirection, SteeringPlan

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
    worths = []
    for place, band in enumerate(bands):
        progress(f"{vector.name}: layers", place, len(bands))
        worths.append(_worth(model, vector.with_header(target_layers=band), own, default))
    progress(f"{vector.name}: layers", len(bands), len(bands))
    best = max(range(len(bands)), key=worths.__getitem__)
    chosen = best if worths[best] > _CLEARLY * worths[0] else 0
    return vector.with_header(target_layers=bands[chosen])


def candidate_bands(model: ModelWrapper) -> list[tuple[int, ...]]:
    """Return the configured layers first, then the other bands that end where the floor still holds."""
    specs = model.config.extraction.layer_bands
    others = [resolve_layers(spec, model.n_layers) for spec in specs]
    held = [band for band in others if band[-1] <= model.capping_layers[-1]]
    return list(dict.fromkeys([model.target_layers, *held]))


def _worth(model: ModelWrapper, vector: PersonaVector, own: Sequence[Exchange], default: Sequence[Exchange]) -> float:
    moved = vector.displacement(_DOSE)
    plan = SteeringPlan(tuple(AddDirection(layer, moved[layer]) for layer in vector.header.target_layers))
    gain = _gain(model, own, plan) - _gain(model, default, plan)
    kl, _ = plan_cost(model, [asked for asked, _ in default], [reply for _, reply in default], plan)
    return gain / math.sqrt(max(kl, 1e-9))


def _gain(model: ModelWrapper, exchanges: Sequence[Exchange], plan: SteeringPlan) -> float:
    asked, replies = [asked for asked, _ in exchanges], [reply for _, reply in exchanges]
    return float(plan_gain(model, asked, replies, plan).mean())
