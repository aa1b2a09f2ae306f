"""SteeringRequest: what a user asks for, as plain data that any engine can be handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from persona_core.errors import SteeringError
from persona_core.settings.config import (
    LEAST_GUIDANCE,
    MOST_GUIDANCE,
    SAFETY,
    STRONGEST,
    Safety,
    SteeringSettings,
)
from persona_core.steering.blending import parse_blend


@dataclass(frozen=True)
class SteeringRequest:
    """What a user asks for. No persona, or strength 0, leaves the model untouched unless `safety` is `always`."""

    personas: Mapping[str, float]
    strength: float
    safety: Safety = True
    guidance: float = 0.0
    """How far past the unsteered prediction the persona is followed, 1.0-10.0; 0 decodes directly, in one row."""

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= STRONGEST:
            raise SteeringError(f"strength {self.strength:g} is out of range: use 0.0-{STRONGEST}")
        if self.safety not in SAFETY.values():
            raise SteeringError(f"safety is {self.safety!r}: use True, False or 'always'")
        if self.guidance and not LEAST_GUIDANCE <= self.guidance <= MOST_GUIDANCE:
            raise SteeringError(
                f"guidance {self.guidance:g} is out of range: use {LEAST_GUIDANCE}-{MOST_GUIDANCE}, or 0 for none"
            )
        for name, weight in self.personas.items():
            if not 0 <= weight <= STRONGEST:
                raise SteeringError(f"the weight of {name!r} is {weight:g}: use 0.0-{STRONGEST}")

    def __hash__(self) -> int:
        return hash((frozenset(self.personas.items()), self.strength, self.safety, self.guidance))

    @property
    def active(self) -> dict[str, float]:
        """The personas that count: none at strength 0, and none of weight 0."""
        return {name: weight for name, weight in self.personas.items() if weight and self.strength}

    @property
    def holds_floor(self) -> bool:
        """Tell whether the floor is held: it is where a persona counts, and with `always` also where none does."""
        return self.safety == "always" or bool(self.safety and self.active)


Speaker = SteeringRequest | Mapping[str, float] | str | None
"""Who shall speak: a whole request, weights, a name or a written blend (`sage:0.5,trickster:0.3`), or nobody."""


def as_request(
    speaker: Speaker,
    settings: SteeringSettings,
    strength: float | None = None,
    safety: Safety | None = None,
    guidance: float | None = None,
) -> SteeringRequest:
    """Return the request that these words stand for; the configured value of each setting that is not given.

    Raises `SteeringError` where a whole request comes with settings of its own beside it.
    """
    if isinstance(speaker, SteeringRequest):
        if (strength, safety, guidance) != (None, None, None):
            raise SteeringError("a SteeringRequest has its own strength, safety and guidance: set them there")
        return speaker
    if isinstance(speaker, str):
        speaker = parse_blend(speaker) if ":" in speaker else {speaker: 1.0}
    return SteeringRequest(
        dict(speaker or {}),
        settings.default_strength if strength is None else strength,
        settings.safety if safety is None else safety,
        configured_guidance(settings) if guidance is None else guidance,
    )


def configured_guidance(settings: SteeringSettings) -> float:
    """Return the configured guidance: 0 where replies are decoded directly."""
    return settings.guidance if settings.decoding == "guided" else 0.0
