"""Pictures in text: bars, one-line curves and gauges of a given width in characters; `plain` ones are ASCII."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

CURVE, PLAIN_CURVE = "▁▂▃▄▅▆▇█", "_.-~=*#@"
BAR, PLAIN_BAR = "█", "#"
DOT, PLAIN_DOT = "●", "o"
EDGE, PLAIN_EDGE = "┊", "|"
LINE, PLAIN_LINE = "·", "."


def curve(values: Sequence[float], width: int, plain: bool = False) -> str:
    """Return values as one line of blocks, from the lowest to the highest; `averaged` makes them fit the width."""
    if not values:
        return ""
    steps, shown = PLAIN_CURVE if plain else CURVE, averaged(values, width)
    low, high = min(shown), max(shown)
    span = high - low or 1.0
    return "".join(steps[min(int((value - low) / span * len(steps)), len(steps) - 1)] for value in shown)


def averaged(values: Sequence[float], width: int) -> list[float]:
    """Return at most `width` means of neighbouring values."""
    if len(values) <= width:
        return list(values)
    edges = [round(column * len(values) / width) for column in range(width + 1)]
    return [math.fsum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def bars(shares: Mapping[int, float], width: int, plain: bool = False) -> list[str]:
    """Return one line a layer: its number, a bar that is longest for the largest share, and the share in per cent."""
    longest = max(shares.values(), default=0) or 1.0
    block = PLAIN_BAR if plain else BAR
    return [
        f"  layer {layer:3}  {block * max(round(share / longest * width), 1):{width}}  {share:.1%}"
        for layer, share in shares.items()
    ]


def gauge(value: float, low: float, high: float, width: int, edge: float | None = None, plain: bool = False) -> str:
    """Return a scale from low to high with a dot at the value, and a mark at the edge where there is one."""
    line, dot, mark = (PLAIN_LINE, PLAIN_DOT, PLAIN_EDGE) if plain else (LINE, DOT, EDGE)
    cells = [line] * width
    if edge is not None:
        cells[_cell(edge, low, high, width)] = mark
    cells[_cell(value, low, high, width)] = dot
    return "".join(cells)


def _cell(value: float, low: float, high: float, width: int) -> int:
    span = high - low or 1.0
    return min(max(int((value - low) / span * width), 0), width - 1)
