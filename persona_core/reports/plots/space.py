"""Space picture: draws a model's personas on the first two principal components of their directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persona_core.base.layers import format_layers
from persona_core.errors import PlotError
from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots.figure import dress, new_figure
from persona_core.reports.plots.labels import Point, place_labels
from persona_core.reports.plots.layers import steered_layers
from persona_core.reports.plots.theme import MARKERS, Theme
from persona_core.vectors.file import read_arrays, read_header
from persona_core.vectors.store import ASSISTANT

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Array = np.ndarray[Any, Any]

_FEWEST = 3
_IN_SIGHT = 0.02
"""The shortest arrow that is drawn, in the plane's units."""


@dataclass(frozen=True)
class PersonaSpace:
    """Personas as points in a plane.

    A persona's unit directions of all layers, side by side, are one vector of length 1. `unsteered` is the point
    without any displacement. `assistant` is where a displacement of length 1 along the assistant axis ends.
    `explained` is each component's share of the personas' variance.
    """

    model: str
    layers: tuple[int, ...]
    personas: dict[str, Point]
    unsteered: Point
    assistant: Point | None
    explained: tuple[float, float]

    @property
    def assistant_share(self) -> float:
        """The length of the assistant axis that lies in the plane."""
        if self.assistant is None:
            return 0.0
        return float(sum((end - start) ** 2 for end, start in zip(self.assistant, self.unsteered, strict=True)) ** 0.5)


def read_space(manager: PersonaManager) -> PersonaSpace:
    """Read every persona's vector and the assistant axis, and project them; raise `PlotError` for fewer than three."""
    paths = manager.paths()
    if len(paths) < _FEWEST:
        raise PlotError(
            f"a plane needs {_FEWEST} personas and {manager.slug} has {len(paths)}; "
            "run `persona-steer extract` for more of them"
        )
    headers = [read_header(path) for path in paths.values()]
    layers = steered_layers(headers)
    directions = {name: read_arrays(path)["directions"] for name, path in paths.items()}
    axis = manager.store.part_path(ASSISTANT)
    return project(headers[0].model.slug, layers, directions, read_arrays(axis)["directions"] if axis else None)


def project(
    model: str, layers: Sequence[int], directions: Mapping[str, Array], assistant: Array | None = None
) -> PersonaSpace:
    """Return the plane of the first two principal components of the personas' directions at these layers."""
    import numpy as np

    rows = np.stack([_as_one(rows, layers) for rows in directions.values()])
    mean = rows.mean(0)
    _, lengths, components = np.linalg.svd(rows - mean, full_matrices=False)
    plane = components[:2].T * _signs(components[:2])
    share = lengths**2 / (lengths**2).sum()
    start = -mean @ plane
    return PersonaSpace(
        model=model,
        layers=tuple(layers),
        personas={name: _point(row) for name, row in zip(directions, (rows - mean) @ plane, strict=True)},
        unsteered=_point(start),
        assistant=None if assistant is None else _point(start + _as_one(assistant, layers) @ plane),
        explained=(float(share[0]), float(share[1])),
    )


def draw(space: PersonaSpace, theme: Theme) -> Figure:
    """Draw each persona as a labelled point, with the assistant axis as an arrow from the unsteered model."""
    figure = new_figure(theme, 8, 6.2, f"Personas of {space.model} and the assistant axis")
    axes = figure.subplots()
    first, second = space.explained
    dress(
        axes,
        theme,
        x=f"first principal component ({first:.0%} of the personas' variance)",
        y=f"second principal component ({second:.0%})",
        title=f"unit directions at layers {format_layers(space.layers)}; a persona's vector has length 1",
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.14)
    for index, (x, y) in enumerate(space.personas.values()):
        axes.scatter(x, y, s=90, color=theme.colour(index), marker=MARKERS[index % len(MARKERS)], zorder=3)
    axes.scatter(*space.unsteered, s=70, color=theme.muted, marker="x", zorder=3)
    labelled = {**space.personas, "unsteered model": space.unsteered}
    colours = [theme.colour(index) for index in range(len(space.personas))] + [theme.muted]
    if space.assistant is not None:
        labelled |= _draw_arrow(axes, space, space.assistant, theme)
        colours.append(theme.ink)
    figure.draw_without_rendering()
    place_labels(axes, theme, labelled, colours)
    return figure


def _draw_arrow(axes: Axes, space: PersonaSpace, end: Point, theme: Theme) -> dict[str, Point]:
    """Draw the axis at its true length in the plane, and return its label with the label's point."""
    axes.plot(*zip(space.unsteered, end, strict=True), alpha=0)
    if space.assistant_share > _IN_SIGHT:
        arrow = {"arrowstyle": "-|>", "color": theme.ink, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", end, space.unsteered, arrowprops=arrow, zorder=2)
    return {f"assistant axis\n({space.assistant_share:.0%} of its length in this plane)": end}


def _as_one(rows: Array, layers: Sequence[int]) -> Array:
    """Return the unit directions at the layers, side by side, as one vector of length 1."""
    import numpy as np

    chosen = rows[list(layers)].astype(np.float64)
    lengths = np.linalg.norm(chosen, axis=-1, keepdims=True).clip(1e-30)
    flat: Array = (chosen / lengths).ravel() / len(layers) ** 0.5
    return flat


def _signs(components: Array) -> Array:
    """Return the sign of each component's largest entry; multiplying by it keeps a picture from being mirrored."""
    import numpy as np

    largest = np.abs(components).argmax(1)
    signs: Array = np.sign(components[np.arange(len(components)), largest])
    return signs


def _point(values: Array) -> Point:
    return float(values[0]), float(values[1])
