"""Labels: writes each point's name beside it, on the side where it covers the least of other points and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from persona_core.reports.plots.figure import note
from persona_core.reports.plots.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
Box = tuple[float, float, float, float]
_SIZE = 9.5
_AROUND = (
    (9, 0, "left"), (-9, 0, "right"), (0, 11, "center"), (0, -11, "center"),
    (8, 9, "left"), (8, -9, "left"), (-8, 9, "right"), (-8, -9, "right"),
)  # fmt: skip


def place_labels(axes: Axes, theme: Theme, points: Mapping[str, Point], colours: Sequence[str]) -> None:
    """Write each name beside its point, on the side where it covers the least of other points and names."""
    figure: Any = axes.figure.get_figure(root=True)
    scale = figure.dpi / 72
    spots = [tuple(float(pixels) / scale for pixels in axes.transData.transform(point)) for point in points.values()]
    taken: list[Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in spots]
    frame = axes.get_window_extent()
    inside: Box = (frame.x0 / scale, frame.y0 / scale, frame.x1 / scale, frame.y1 / scale)
    for (name, point), (x, y), colour in zip(points.items(), spots, colours, strict=True):
        options = [(_box(name, x + right, y + up, side), right, up, side) for right, up, side in _AROUND]
        box, right, up, side = min(options, key=lambda option: _cost(option[0], taken, inside))
        taken.append(box)
        style = {"fontsize": _SIZE, "fontweight": "bold", "color": colour}
        note(axes, theme, name, point, xytext=(right, up), ha=side, va="center", **style)


def _box(name: str, x: float, y: float, side: str) -> Box:
    """Return the estimated box of a text, in points."""
    lines = name.splitlines()
    width, height = max(map(len, lines)) * _SIZE * 0.66, len(lines) * _SIZE * 1.25
    left = {"left": x, "right": x - width, "center": x - width / 2}[side]
    return left, y - height / 2, left + width, y + height / 2


def _cost(box: Box, taken: Sequence[Box], inside: Box) -> float:
    """Return the area that a box shares with others, plus twice its area outside the frame."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return sum(_shared(box, other) for other in taken) + 2 * (area - _shared(box, inside))


def _shared(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
