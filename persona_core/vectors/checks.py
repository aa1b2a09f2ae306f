"""Checks: what a vector file must say before it is obeyed. Each returns what is wrong, or nothing.

A floor is only as good as its axis: percentiles in a wrong order, with a wrong sign or out of all proportion would open
it without a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from persona_core.base.names import NAME_PATTERN
from persona_core.vectors.file import VectorHeader

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]

_UNIT = 1e-3
"""How far the length of a direction may be from 1."""
_WIDEST = 100
"""How many times the spread of the middle half of the projections any percentile may be from their median."""


def persona_problem(header: VectorHeader, tensors: Tensors) -> str:
    """Return what is wrong with a persona's file."""
    doses = [one.dose for one in (header.calibration, header.guided) if one is not None]
    problems = {
        f"its target layers are no ascending choice of 0-{header.model.n_layers - 1}": not _are_layers(header),
        "a dose is negative or no number": any(not 0 <= dose < math.inf for dose in doses),
    }
    return _any_problem(header, tensors) or _first(problems)


def axis_problem(header: VectorHeader, tensors: Tensors) -> str:
    """Return what is wrong with an axis' file."""
    levels, quantiles = header.quantile_levels, tensors["quantiles"]
    lengths = tensors["directions"].norm(dim=-1)
    problems = {
        "its percentile levels do not ascend within 0-100": not _ascend(levels) or levels[0] < 0 or levels[-1] > 100,
        "its quantiles are not one a level and layer": quantiles.shape != (len(levels), header.model.n_layers),
        "a direction is not of length 1": bool(((lengths - 1).abs() > _UNIT).any()),
    }
    return _any_problem(header, tensors) or _first(problems) or _quantile_problem(levels, quantiles)


def baseline_problem(header: VectorHeader, tensors: Tensors) -> str:
    """Return what is wrong with a baseline's file."""
    return _any_problem(header, tensors)


def _any_problem(header: VectorHeader, tensors: Tensors) -> str:
    """Return what is wrong with a file of any kind: its name, the shapes of its tensors, the lengths of its stream."""
    shape = (header.model.n_layers, header.model.hidden_size)
    whole = {name: tensor for name, tensor in tensors.items() if name not in ("quantiles", "residual_norm")}
    odd = [name for name, tensor in whole.items() if tensor.shape != shape]
    norm = tensors.get("residual_norm")
    problems = {
        f"its name {header.name[:80]!r} is none": not re.fullmatch(NAME_PATTERN, header.name),
        f"{', '.join(odd)} is not {shape[0]} layers of {shape[1]}": bool(odd),
        "a median length of the stream is not above 0": norm is not None and _wrong_lengths(norm, shape[0]),
    }
    return _first(problems)


def _quantile_problem(levels: tuple[float, ...], quantiles: Tensor) -> str:
    if bool((quantiles.diff(dim=0) <= 0).any()):
        return "its quantiles do not ascend with their levels"
    low, median, high = (quantiles[_nearest(levels, level)] for level in (25.0, 50.0, 75.0))
    spread = (high - low).clamp_min((quantiles.diff(dim=0)).amin(0))
    if bool(((quantiles - median).abs() > _WIDEST * spread).any()):
        return "a quantile is out of all proportion to the others"
    return ""


def _nearest(levels: tuple[float, ...], level: float) -> int:
    return min(range(len(levels)), key=lambda index: abs(levels[index] - level))


def _are_layers(header: VectorHeader) -> bool:
    layers = header.target_layers
    return _ascend(layers) and layers[0] >= 0 and layers[-1] < header.model.n_layers


def _ascend(values: tuple[float, ...]) -> bool:
    """Tell whether there are values and each is above the one before."""
    return bool(values) and all(one < other for one, other in pairwise(values))


def _wrong_lengths(lengths: Tensor, n_layers: int) -> bool:
    return tuple(lengths.shape) != (n_layers,) or bool((lengths <= 0).any())


def _first(problems: dict[str, bool]) -> str:
    return next((problem for problem, found in problems.items() if found), "")
