"""FloorCheck: after every forward, stops the reply unless each capped layer handed on a stream above its floor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.errors import SafetyUnavailable
from persona_core.steering.layer import ArmedLayer

_SLACK = 0.01
"""How far below its floor a stream may seem to lie, as a share of the layer's largest floor (at least 1): rounding."""


@dataclass(frozen=True)
class FloorCheck:
    """The lower bounds of a batch, all layers in one tensor: checking every token then costs next to nothing."""

    layers: tuple[ArmedLayer, ...]
    directions: Float[Tensor, "clamp rows 1 hidden"]
    lows: Float[Tensor, "clamp rows 1"]
    slack: Float[Tensor, "clamp rows"]

    @classmethod
    def of(cls, armed: Iterable[ArmedLayer]) -> FloorCheck | None:
        """Return the check of what is armed; None where nothing is clamped."""
        layers = tuple(layer for layer in armed if layer.clamps)
        clamps = [(clamp, floor_slack(layer)) for layer in layers for clamp in layer.clamps]
        if not clamps:
            return None
        return cls(
            layers,
            torch.stack([clamp.unit_direction for clamp, _ in clamps]),
            torch.stack([clamp.low for clamp, _ in clamps]),
            torch.stack([slack for _, slack in clamps]),
        )

    def check(self) -> None:
        """Raise `SafetyUnavailable` for a stream below its floor, or with a number that is not finite."""
        if not bool((self._distances() >= -self.slack).all()):
            raise not_held()

    def _distances(self) -> Float[Tensor, "clamp rows"]:
        """Return how far above its floor each row is: the newest token's distance, or the lowest of all so far."""
        newest = [layer.tally.newest() for layer in self.layers]
        streams = [stream for stream, layer in zip(newest, self.layers, strict=True) for _ in layer.clamps]
        if all(stream is not None for stream in newest):
            return ((torch.stack(streams) * self.directions).sum(-1) - self.lows)[..., 0]  # type: ignore[arg-type]
        lowest = [layer.tally.settled().lowest_after[layer.rows] for layer in self.layers for _ in layer.clamps]
        return torch.stack(lowest)


def floor_slack(layer: ArmedLayer) -> Float[Tensor, "rows"]:
    """Return how far below its floors each row may seem to lie because of rounding."""
    rows = torch.zeros(layer.n_rows, device=layer.tally.device)
    sizes = [clamp.low.abs().masked_fill(clamp.low.isinf(), 0)[:, 0] for clamp in layer.clamps]
    return _SLACK * torch.stack([rows, *sizes]).amax(0).clamp_min(1)


def not_held() -> SafetyUnavailable:
    """Return the error that stops a reply."""
    return SafetyUnavailable(
        "the safety floor could not be held (the residual stream overflowed); nothing more is generated. "
        "Use a lower strength, or model.dtype float32 or bfloat16"
    )
