"""Building: turns a raw mean difference into a persona vector, with everything that is recorded about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.layers import resolve_layers
from persona_core.base.provenance import provenance
from persona_core.errors import ExtractionError
from persona_core.settings.config import Config
from persona_core.vectors.file import USABLE, ModelIdentity, VectorHeader
from persona_core.vectors.maths import cosine, orthogonalise, persona_direction, read_and_write, unit
from persona_core.vectors.store import ASSISTANT, SAFETY, VectorStore
from persona_core.vectors.vector import Baseline, PersonaVector

QUANTILE_LEVELS = (0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 100.0)
METHOD = "response-mean difference and reply gradient, centred on the reference personas, orthogonal to the safety axis"
METHOD_RAW = "mean difference alone, centred on the reference personas, orthogonal to the safety axis"
_TOO_CLOSE = 0.9


def build_persona(
    name: str,
    raw: Float[Tensor, "layer hidden"],
    description: str,
    store: VectorStore,
    config: Config,
    baseline: Baseline,
    header: Mapping[str, Any] | None = None,
    gradient: Float[Tensor, "layer hidden"] | None = None,
) -> PersonaVector:
    """Return an uncalibrated persona: `raw` and `gradient`, centred and joined, orthogonal to the safety axis."""
    identity = baseline.header.model
    if tuple(raw.shape) != (identity.n_layers, identity.hidden_size):
        needed = f"{identity.n_layers} layers of {identity.hidden_size}"
        raise ExtractionError(f"the raw vector of {name!r} has the shape {tuple(raw.shape)}; {needed} are needed")
    direction = centred(raw.float(), gradient, store, config, identity)
    if store.part_path(SAFETY):
        direction = orthogonalise(direction, store.axis(SAFETY, identity).directions)
    fields = {
        "kind": "persona",
        "name": name,
        "description": description,
        "model": identity,
        "method": METHOD_RAW if gradient is None else METHOD,
        "target_layers": resolve_layers(config.extraction.target_layers, identity.n_layers),
        **provenance(config.extraction.seed),
        **dict(header or {}),
    }
    return PersonaVector(VectorHeader(**fields), direction, raw.float(), baseline.residual_norm, gradient)


def centred(
    raw: Float[Tensor, "layer hidden"],
    gradient: Float[Tensor, "layer hidden"] | None,
    store: VectorStore,
    config: Config,
    identity: ModelIdentity,
) -> Float[Tensor, "layer hidden"]:
    """Return what sets a persona apart from the reference personas; `raw` itself before the assistant axis is made."""
    if not store.part_path(ASSISTANT):
        return raw
    axis = store.axis(ASSISTANT, identity)
    assert axis.shared is not None
    reading = persona_direction(raw, axis.shared, config.extraction.shared_fraction)
    if gradient is None or axis.shared_gradient is None:
        return reading
    return read_and_write(reading, gradient - axis.shared_gradient)


@dataclass(frozen=True)
class Agreement:
    """How stable a direction is: the cosine of two halves of its data, and of one half with the whole."""

    halves: Float[Tensor, "layer"]
    half_whole: Float[Tensor, "layer"]


def with_stability(vector: PersonaVector, agreement: Agreement, others: Sequence[PersonaVector]) -> PersonaVector:
    """Return the vector with its measured stability, and a warning where it is weak or much like another.

    How well the halves agree says nothing of a fitted vector: calibration tells whether that one shows.
    """
    layers = list(vector.header.target_layers)
    steady = float(agreement.halves[layers].mean())
    close = {other.name: mean_cosine(vector, other) for other in others if other.name != vector.name}
    share = (vector.directions[layers].norm(dim=-1) / vector.residual_norm[layers]).mean()
    measured = {
        "split_half_cosine": round(steady, 4),
        "half_whole_cosine": round(float(agreement.half_whole[layers].mean()), 4),
        "relative_norm": round(float(share), 4),
        "cosines": {name: round(value, 4) for name, value in close.items()},
    }
    weak = steady < USABLE and not vector.header.fit_steps
    warnings = [*([_weak(vector.name, steady)] if weak else []), *_too_close(vector.name, close)]
    return vector.with_header(measured=measured, warnings=tuple(warnings))


def mean_cosine(one: PersonaVector, other: PersonaVector) -> float:
    """Return the mean cosine of two personas over the first one's target layers."""
    layers = list(one.header.target_layers)
    return float(cosine(one.directions[layers], other.directions[layers]).mean())


def axis_cosine(vector: PersonaVector, axis: Float[Tensor, "layer hidden"]) -> float:
    """Return the mean cosine of a persona and an axis over the persona's target layers."""
    layers = list(vector.header.target_layers)
    return float((unit(vector.directions[layers]) * unit(axis[layers])).sum(-1).mean())


def span(raws: Sequence[Float[Tensor, "layer hidden"]]) -> Float[Tensor, "persona layer hidden"]:
    """Stack the reference personas' raw vectors."""
    return torch.stack([raw.float() for raw in raws])


def _weak(name: str, steady: float) -> str:
    return (
        f"{name} is weak: two halves of its data agree with cosine {steady:.2f} only ({USABLE:g} or more is "
        "usable); write more distinct system prompts, or ask more questions"
    )


def _too_close(name: str, cosines: Mapping[str, float]) -> list[str]:
    return [
        f"{name} is hardly distinct from {other}: cosine {value:.2f}"
        for other, value in cosines.items()
        if value > _TOO_CLOSE
    ]
