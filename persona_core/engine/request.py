"""SteeringRequest: what a user asks for, as plain data that any engine can be handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from persona_core.errors import SteeringError
from persona_core.settings.config import STRONGEST


@dataclass(frozen=True)
class SteeringRequest:
    """What a user asks for. No persona, or strength 0, leaves the model untouched."""

    personas: Mapping[str, float]
    strength: float
    safety: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= STRONGEST:
            raise SteeringError(f"strength {self.strength:g} is out of range: use 0.0-{STRONGEST}")
        for name, weight in self.personas.items():
            if not 0 <= weight <= STRONGEST:
                raise SteeringError(f"the weight of {name!r} is {weight:g}: use 0.0-{STRONGEST}")

    @property
    def active(self) -> dict[str, float]:
        """The personas that count: none at strength 0, and none of weight 0."""
        return {name: weight for name, weight in self.personas.items() if weight and self.strength}
