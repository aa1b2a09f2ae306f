"""Arithmetic: pure functions that combine displacements, at all layers at once and in float64.

`moved` is what each persona adds by itself at strength 1.0, sorted by name; a row of zeros is a layer that it does not
steer. `weights` are above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core import WeightedVector, unit

Moved = Float[Tensor, "part layer hidden"]
Weights = Float[Tensor, "part"]
Combine = Callable[[Moved, Weights], Float[Tensor, "layer hidden"]]

CANCELLED = 1e-6
"""Parts cancel where their sum is shorter than this share of them: rounding leaves as much."""
_STEPS = 200


def blended(parts: Sequence[WeightedVector], combine: Combine) -> Float[Tensor, "layer hidden"]:
    """Return the parts combined, in float32; parts of weight 0 are left out, and their order is that of their names."""
    counted = sorted((part for part in parts if part.weight), key=lambda part: part.vector.name)
    if not counted:
        return torch.zeros_like(parts[0].vector.displacement())
    moved = torch.stack([part.vector.displacement().double() for part in counted])
    return combine(moved, torch.tensor([part.weight for part in counted], dtype=torch.float64)).float()


def slerp(moved: Moved, weights: Weights) -> Float[Tensor, "layer hidden"]:
    """Return the weighted spherical mean of the directions, as long as the weighted parts together."""
    present = weights[:, None] * (moved.norm(dim=-1) > 0)
    return spherical_mean(unit(moved), present) * _lengths(moved, weights)


def spherical_mean(directions: Moved, weights: Float[Tensor, "part layer"]) -> Float[Tensor, "layer hidden"]:
    """Return the point of the sphere with the least weighted sum of squared angles to the directions, at each layer.

    Found from the normalised weighted sum by steps along the mean of the logarithms (Buss and Fillmore 2001,
    10.1145/502122.502124); two directions need one step. Zeros where the weighted sum is zero: no mean is nearest.
    """
    shares = (weights / weights.sum(0).clamp_min(1e-300)).unsqueeze(-1)
    total = (shares * directions).sum(0)
    mean = unit(torch.where(total.norm(dim=-1, keepdim=True) > CANCELLED, total, torch.zeros_like(total)))
    for _ in range(_STEPS):
        step = (shares * _logarithms(mean, directions)).sum(0)
        mean = _exponential(mean, step)
        if float(step.norm(dim=-1).max()) < 1e-12:
            break
    return mean


def _logarithms(mean: Float[Tensor, "layer hidden"], directions: Moved) -> Moved:
    """Return the tangents at `mean` that lead to each direction along the sphere; zero where it is straight across."""
    along = (mean * directions).sum(-1, keepdim=True)
    aside = directions - along * mean
    angle = torch.atan2(aside.norm(dim=-1, keepdim=True), along)
    return angle * unit(torch.where(aside.norm(dim=-1, keepdim=True) > 1e-12, aside, torch.zeros_like(aside)))


def _exponential(mean: Float[Tensor, "layer hidden"], step: Float[Tensor, "layer hidden"]) -> Tensor:
    """Return where a tangent leads along the sphere."""
    angle = step.norm(dim=-1, keepdim=True)
    return unit(torch.cos(angle) * mean + torch.sin(angle) * unit(step))


def ties(moved: Moved, weights: Weights, density: float) -> Float[Tensor, "layer hidden"]:
    """Trim, elect signs by weighted mass, and sum what agrees; as long as the weighted parts together.

    The sum and not the paper's mean: so a persona whose weight goes to 0 leaves the blend without a jump.
    """
    alone = (moved.norm(dim=-1) > 0).sum(0)[:, None] < 2
    kept = weights[:, None, None] * torch.where(alone, moved, trimmed(moved, density))
    elected = kept.sum(0).sign()
    agreeing = torch.where(kept.sign() == elected, kept, torch.zeros_like(kept)).sum(0)
    return unit(agreeing) * _lengths(moved, weights)


def trimmed(moved: Moved, density: float) -> Moved:
    """Return each row with its largest entries alone, zeros elsewhere; entries as large as the last are kept too."""
    n_kept = max(round(density * moved.shape[-1]), 1)
    least = moved.abs().topk(n_kept, dim=-1).values[..., -1:]
    return torch.where(moved.abs() >= least, moved, torch.zeros_like(moved))


def gram_schmidt(moved: Moved, weights: Weights) -> Float[Tensor, "layer hidden"]:
    """Return the heaviest part, and of the others what is orthogonal to those before, each times its weight."""
    order = torch.argsort(weights, descending=True, stable=True)
    basis: list[Tensor] = []
    total = torch.zeros_like(moved[0])
    for index in order:
        rest = _orthogonal_rest(moved[index], basis)
        total = total + weights[index] * rest
        basis.append(unit(rest))
    return total


def _orthogonal_rest(direction: Float[Tensor, "layer hidden"], basis: Sequence[Tensor]) -> Tensor:
    """Remove the basis, twice because once leaves rounding errors; a rest that is mere rounding becomes zero."""
    rest = direction
    for along in (*basis, *basis):
        rest = rest - (rest * along).sum(-1, keepdim=True) * along
    left = rest.norm(dim=-1, keepdim=True) > CANCELLED * direction.norm(dim=-1, keepdim=True)
    return torch.where(left, rest, torch.zeros_like(rest))


def norm_preserving(moved: Moved, weights: Weights) -> Float[Tensor, "layer hidden"]:
    """Return the weighted sum, as long as the weighted parts together; zeros where they cancel each other."""
    total, length = (weights[:, None, None] * moved).sum(0), _lengths(moved, weights)
    left = total.norm(dim=-1, keepdim=True) > CANCELLED * length
    return torch.where(left, unit(total) * length, torch.zeros_like(total))


def _lengths(moved: Moved, weights: Weights) -> Float[Tensor, "layer 1"]:
    """Return the sum of the weighted parts' lengths at each layer."""
    lengths: Tensor = moved.norm(dim=-1)
    return (weights[:, None] * lengths).sum(0).unsqueeze(-1)
