"""Maths: pure functions on directions and streams. They read no file and know no model; all is float32 or wider."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MARGIN = 1.5
"""Rounding margin of the floor, in units of eps times the norm of the products that a projection sums.

A cast rounds each product by at most eps/2 and by eps/(2 sqrt 3) on average, so 1.5 eps is five standard deviations.
"""

_PUSHES = 12
"""How many times a value that the cast rounded out of range is pushed back, doubling the push."""


def mean_difference(
    positive: Float[Tensor, "rollout layer hidden"], negative: Float[Tensor, "rollout2 layer hidden"]
) -> Float[Tensor, "layer hidden"]:
    """Return the direction from the negative to the positive rollouts; its length is the effect size.

    Contrast as in CAA (arXiv 2312.06681), response means as in Persona Vectors (arXiv 2507.21509).
    """
    return positive.float().mean(0) - negative.float().mean(0)


def unit(direction: Float[Tensor, "*rows hidden"]) -> Float[Tensor, "*rows hidden"]:
    """Scale each row to length 1; a row of zeros stays zeros."""
    length = direction.norm(dim=-1, keepdim=True)
    scaled: Tensor = direction / length.clamp_min(1e-30)
    return torch.where(length > 0, scaled, torch.zeros_like(direction))


def persona_direction(
    raw: Float[Tensor, "layer hidden"], shared: Float[Tensor, "layer hidden"], shared_fraction: float
) -> Float[Tensor, "layer hidden"]:
    """Return what sets this persona apart, plus a fraction of what all personas share.

    `shared` is the mean of the reference personas' raw mean differences. It is the direction of role-playing as such
    and points about opposite to the assistant axis. Raw differences are nearly parallel (cosine 0.9): alone, they say
    "some persona" and not which one.
    """
    return raw - shared + shared_fraction * shared


def read_and_write(
    reading: Float[Tensor, "*rows hidden"], writing: Float[Tensor, "*rows hidden"]
) -> Float[Tensor, "*rows hidden"]:
    """Return the bisector of two directions, scaled to the first one's length.

    `reading` is a mean difference: it tells a persona's replies apart, but adding it need not cause them. `writing` is
    a gradient: adding it causes such replies in the cheapest way, which need not look like them. The bisector does
    both. Where one of the two has a row of zeros, the other's row is returned.
    """
    bisector: Tensor = reading.norm(dim=-1, keepdim=True) * unit(unit(reading) + unit(writing))
    return bisector


def orthogonalise(
    direction: Float[Tensor, "*rows hidden"], axis: Float[Tensor, "*rows hidden"]
) -> Float[Tensor, "*rows hidden"]:
    """Remove from each row its component along the matching row of `axis`, which need not have length 1."""
    along = unit(axis)
    first = direction - (direction * along).sum(-1, keepdim=True) * along
    return first - (first * along).sum(-1, keepdim=True) * along


def project_out_span(
    direction: Float[Tensor, "layer hidden"], span: Float[Tensor, "persona layer hidden"]
) -> Float[Tensor, "layer hidden"]:
    """Remove from each layer's direction its component in the span of the personas' vectors at that layer.

    Personas that repeat each other, or are zero, span fewer dimensions than there are personas; nothing more than
    their span is removed.
    """
    left, sizes, _ = torch.linalg.svd(unit(span.double()).permute(1, 2, 0), full_matrices=False)
    basis = left * (sizes > 1e-10).unsqueeze(1)
    wide = direction.double().unsqueeze(-1)
    rest: Tensor = wide - basis @ (basis.transpose(1, 2) @ wide)
    return rest.squeeze(-1).float()


def cosine(one: Float[Tensor, "*rows hidden"], other: Float[Tensor, "*rows hidden"]) -> Float[Tensor, "*rows"]:
    """Return the cosine row by row; 0 where either row is zero."""
    return (unit(one) * unit(other)).sum(-1)


def auc(positive: Float[Tensor, "rollout"], negative: Float[Tensor, "rollout2"]) -> float:
    """Return the probability that a positive value lies above a negative one, ties counting half."""
    above = (positive[:, None] > negative[None, :]).double().mean()
    level = (positive[:, None] == negative[None, :]).double().mean()
    return float(above + 0.5 * level)


def shift_into_range(
    hidden: Float[Tensor, "batch token hidden"],
    unit_direction: Float[Tensor, "rows 1 hidden"],
    low: Float[Tensor, "rows 1"],
    high: Float[Tensor, "rows 1"] | None,
    eps: float,
) -> tuple[Float[Tensor, "batch token"], Float[Tensor, "batch token"]]:
    """Return each token's shift along the direction that brings its projection into range, and the projection before.

    A token in range has a shift of exactly 0. A token outside lands inside by the rounding margin of the precision
    `eps` that the stream is cast to, so it is still inside after the cast. Pass None as `high` where nothing is
    bounded above: that is cheaper than an infinite bound and gives the same.
    """
    products = hidden * unit_direction
    before = products.sum(-1)
    distance = low - before if high is None else torch.maximum(low - before, before - high)
    distance = distance.clamp_min(0)
    margin = MARGIN * eps * (products.norm(dim=-1) + distance * unit_direction.square().norm(dim=-1))
    if high is None:
        return torch.where(before < low, low + margin - before, 0), before
    inner_low, inner_high = tightened(low, high, margin)
    zero = torch.zeros_like(before)
    up = torch.where(before < low, inner_low - before, zero)
    down = torch.where(before > high, inner_high - before, zero)
    return up + down, before


def tightened(low: Tensor, high: Tensor, margin: Tensor) -> tuple[Tensor, Tensor]:
    """Move both ends of a range inwards by a margin, but not beyond their middle."""
    middle = torch.where(high < torch.inf, (low.clamp_min(-1e30) + high.clamp_max(1e30)) / 2, torch.inf)
    return torch.minimum(low + margin, torch.maximum(middle, low)), torch.maximum(high - margin, middle.minimum(high))


def cast_into_range(
    wide: Float[Tensor, "batch token hidden"],
    dtype: torch.dtype,
    unit_direction: Float[Tensor, "rows 1 hidden"],
    low: Float[Tensor, "rows 1"],
    high: Float[Tensor, "rows 1"] | None,
    keep: Bool[Tensor, "batch token"] | None = None,
    *,
    stop_early: bool = True,
) -> tuple[Float[Tensor, "batch token hidden"], Float[Tensor, "batch token hidden"]]:
    """Return the float32 stream and its cast, pushed until every kept token is in range after the cast.

    The cast loses a shift that is smaller than half the spacing of the stream's own numbers, and the rounding margin
    with it. A token that the cast leaves outside is therefore pushed again, twice as far each time. `stop_early` ends
    as soon as all values are in range (needs a device sync); the result is the same without it.
    """
    cast = wide.to(dtype)
    for attempt in range(_PUSHES if dtype != torch.float32 else 0):
        products = cast.float() * unit_direction
        reached = products.sum(-1)
        missing = (low - reached).clamp_min(0)
        missing = missing if high is None else missing - (reached - high).clamp_min(0)
        missing = missing if keep is None else missing * keep
        if stop_early and not bool(missing.any()):
            break
        margin = missing.sign() * torch.finfo(dtype).eps * products.norm(dim=-1)
        wide = wide + (2**attempt * (missing + margin)).unsqueeze(-1) * unit_direction
        cast = wide.to(dtype)
    return wide, cast


def clamp_projection(
    hidden: Float[Tensor, "batch token hidden"],
    unit_direction: Float[Tensor, "hidden"],
    low: float,
    high: float = float("inf"),
) -> Float[Tensor, "batch token hidden"]:
    """Return the stream with every projection held within `low` and `high`, in the stream's own precision."""
    floor, ceiling = (torch.tensor([[bound]], dtype=torch.float32) for bound in (low, high))
    wide, along = hidden.float(), unit_direction.float().view(1, 1, -1)
    shift, _ = shift_into_range(wide, along, floor, ceiling, torch.finfo(hidden.dtype).eps)
    shifted = wide + shift.unsqueeze(-1) * along
    return cast_into_range(shifted, hidden.dtype, along, floor, ceiling)[1]


def quantiles(values: Float[Tensor, "token layer"], levels: Sequence[float]) -> Float[Tensor, "level layer"]:
    """Return the percentiles `levels` (0-100) of each layer's values; sorted, for any number of tokens."""
    ordered = values.float().sort(dim=0).values
    positions = torch.tensor([level / 100 * (len(ordered) - 1) for level in levels], dtype=torch.float64)
    below = positions.floor().long()
    above = (below + 1).clamp_max(len(ordered) - 1)
    fraction = (positions - below).float().unsqueeze(-1)
    return ordered[below] * (1 - fraction) + ordered[above] * fraction


def masked_mean(
    hidden: Float[Tensor, "batch token hidden"], mask: Bool[Tensor, "batch token"]
) -> Float[Tensor, "batch hidden"]:
    """Return each row's mean over the tokens that `mask` keeps, accumulated in float32."""
    weights = mask.to(torch.float32)
    total = torch.einsum("bth,bt->bh", hidden.float(), weights)
    return total / weights.sum(1, keepdim=True).clamp_min(1)
