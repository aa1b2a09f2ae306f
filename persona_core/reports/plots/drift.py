"""Drift picture: draws a conversation's replies on the assistant axis turn by turn, and their distance to the floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from persona_core.base.layers import resolve_layers
from persona_core.errors import PlotError, VectorNotFound
from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots.conversation import PlottedReceipt
from persona_core.reports.plots.figure import add_legend, dress, new_figure, note
from persona_core.reports.plots.theme import Theme
from persona_core.vectors.file import read_arrays, read_header
from persona_core.vectors.store import ASSISTANT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = (5.0, 25.0, 50.0, 75.0, 95.0)
_ROWS = 3


@dataclass(frozen=True)
class Band:
    """Percentile -> projection of the default assistant's tokens, after the layer whose projection receipts hold."""

    layer: int
    percentiles: dict[float, float]


def read_band(manager: PersonaManager) -> Band:
    """Read the assistant axis's percentiles after the last target layer, where the engine reads the projection."""
    import numpy as np

    path = manager.store.part_path(ASSISTANT)
    if path is None:
        raise VectorNotFound(f"no assistant axis for {manager.slug}; run `persona-steer extract-axes`")
    header = read_header(path)
    layer = resolve_layers(manager.config.extraction.target_layers, header.model.n_layers)[-1]
    quantiles = read_arrays(path)["quantiles"][:, layer]
    projections = np.interp(LEVELS, header.quantile_levels, quantiles)
    return Band(layer, {level: float(value) for level, value in zip(LEVELS, projections, strict=True)})


def draw(receipts: Sequence[PlottedReceipt], band: Band, theme: Theme, name: str = "") -> Figure:
    """Draw the projections over the band, and below them the distance to the floor if any turn has one."""
    if not any(receipt.assistant_projection is not None for receipt in receipts):
        raise PlotError("no turn of the conversation holds an `assistant_projection`; reply again with the axes made")
    floored = any(receipt.floor for receipt in receipts)
    title = f"Drift on the assistant axis{': ' if name else ''}{name}"
    figure = new_figure(theme, 9, 7.2 if floored else 4.6, title)
    rows = figure.subplots(1 + floored, 1, sharex=True, squeeze=False, height_ratios=[3, 2][: 1 + floored])[:, 0]
    _projections(rows[0], receipts, band, theme)
    if floored:
        _floor(rows[1], receipts, theme)
    _ticks(rows[-1], len(receipts), theme)
    for axes in rows:
        _mark_changes(axes, receipts, theme, named=axes is rows[0])
    return figure


def _projections(axes: Axes, receipts: Sequence[PlottedReceipt], band: Band, theme: Theme) -> None:
    title = f"mean projection of each reply after layer {band.layer}; higher is more like the default assistant"
    dress(axes, theme, y="projection (residual-stream units)", title=title)
    levels = band.percentiles
    axes.axhspan(levels[5.0], levels[95.0], color=theme.band, alpha=0.5, linewidth=0,
                 label="default assistant's tokens: middle 90 %")  # fmt: skip
    axes.axhspan(levels[25.0], levels[75.0], color=theme.band, linewidth=0, label="middle half")
    axes.axhline(levels[50.0], color=theme.muted, linewidth=1, linestyle=(0, (4, 3)), label="median")
    readings = [receipt.assistant_projection for receipt in receipts]
    heights = [float("nan") if reading is None else reading for reading in readings]
    axes.plot(
        range(1, len(receipts) + 1),
        heights,
        color=theme.series[0],
        linewidth=2,
        marker="o",
        markersize=6,
        label="reply",
    )
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.04 * (high - low), high + 0.2 * (high - low))
    add_legend(axes, theme, "upper center", bbox_to_anchor=(0.5, -0.06), ncols=4)


def _floor(axes: Axes, receipts: Sequence[PlottedReceipt], theme: Theme) -> None:
    dress(axes, theme, y="distance to the floor\n(residual-stream units)",
          title="each reply's lowest token on the safety axis; 0 is the floor")  # fmt: skip
    xs = range(1, len(receipts) + 1)
    floors = [receipt.floor for receipt in receipts]
    before = [floor.lowest_before if floor else float("nan") for floor in floors]
    after = [floor.lowest_after if floor else float("nan") for floor in floors]
    axes.vlines(xs, before, after, color=theme.grid, linewidth=3)
    axes.axhline(0, color=theme.ink, linewidth=1.2)
    axes.plot(
        xs, before, color=theme.series[1], marker="v", markersize=6, linestyle=(0, (4, 3)), label="before the floor"
    )
    axes.plot(xs, after, color=theme.series[2], marker="^", markersize=6, linewidth=2, label="after it")
    axes.margins(y=0.15)
    add_legend(axes, theme, "upper center", bbox_to_anchor=(0.5, -0.24), ncols=2)


def _ticks(axes: Axes, n_turns: int, theme: Theme) -> None:
    step = max(1, -(-n_turns // 20))
    axes.set_xticks(range(1, n_turns + 1, step))
    axes.set_xlim(0.5, n_turns + 0.5)
    axes.set_xlabel("turn", color=theme.ink, fontsize=10)


def _mark_changes(axes: Axes, receipts: Sequence[PlottedReceipt], theme: Theme, *, named: bool) -> None:
    """Draw a thin line where the steering changes, and write who speaks from there on."""
    speakers = [receipt.speaker for receipt in receipts]
    changes = [1, *(turn for turn, (one, other) in enumerate(pairwise(speakers), start=2) if one != other)]
    for rank, turn in enumerate(changes):
        axes.axvline(turn - 0.5, color=theme.muted, linewidth=1, linestyle=(0, (1, 2)))
        if named:
            note(axes, theme, speakers[turn - 1], (turn - 0.5, 1), xycoords=("data", "axes fraction"), va="top",
                 xytext=(4, -4 - 12 * (rank % _ROWS)), fontsize=8.5)  # fmt: skip
