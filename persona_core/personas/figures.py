"""Figures of a stored persona: the lengths of its directions, and its cosines with the axes and the other personas."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persona_core.errors import VectorError
from persona_core.personas.manager import PersonaManager
from persona_core.vectors.file import VectorHeader, read_arrays, read_header
from persona_core.vectors.store import ASSISTANT, SAFETY

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]


def figures(manager: PersonaManager, name: str, header: VectorHeader) -> dict[str, Any]:
    """Return norms and mean cosines over the persona's target layers; needs numpy alone, no torch."""
    layers = list(header.target_layers)
    directions = _directions(manager.require(name), layers)
    personas = {other: path for other, path in manager.paths().items() if other != name}
    axes = {axis: path for axis in (SAFETY, ASSISTANT) if (path := manager.store.part_path(axis))}
    return {
        "norms": {layer: round(float((row**2).sum() ** 0.5), 3) for layer, row in zip(layers, directions, strict=True)},
        "cosines_with_axes": _cosines(directions, _comparable(header, axes), layers),
        "cosines_with_personas": _cosines(directions, _comparable(header, personas), layers),
    }


def _comparable(header: VectorHeader, paths: dict[str, Path]) -> dict[str, Path]:
    """Leave out the vectors of another model, and damaged files, which `persona-steer list` shows."""
    comparable = {}
    for name, path in paths.items():
        with suppress(VectorError):
            if read_header(path).model == header.model:
                comparable[name] = path
    return comparable


def _directions(path: Path, layers: list[int]) -> Rows:
    """Return a file's directions at some layers, one row a layer."""
    rows: Rows = read_arrays(path)["directions"][layers]
    return rows


def _cosines(directions: Rows, paths: dict[str, Path], layers: list[int]) -> dict[str, float]:
    return {name: _mean_cosine(directions, _directions(path, layers)) for name, path in paths.items()}


def _mean_cosine(one: Rows, other: Rows) -> float:
    lengths = ((one**2).sum(-1) * (other**2).sum(-1)) ** 0.5
    return round(float(((one * other).sum(-1) / lengths.clip(1e-30)).mean()), 4)
