"""Matrix picture: draws how much the replies of each persona sound like each judging persona, beside the controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from persona_core.base.numbers import signed
from persona_core.reports.plots.figure import dress, new_figure
from persona_core.reports.plots.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

Matrix = Sequence[Sequence[float]]
_DARK_CELL = 0.5
_SHADES = 49
"""Odd, so that 0 is the page's colour."""


def draw(model: str, personas: Sequence[str], groups: Mapping[str, Matrix], unit: str, theme: Theme) -> Figure:
    """Draw one heat map a group, on one scale: row `i` is what was meant to be persona `i`, columns are judges.

    The matrices are double-centred, so that the diagonal shows what a row gains under its own persona alone.
    """
    side = 0.4 + max(0.78 * len(personas), 3.2)
    figure = new_figure(theme, 1.3 + (0.9 + side) * len(groups), 1.4 + side, f"Who do the replies sound like? {model}")
    panels = figure.subplots(1, max(len(groups), 1), squeeze=False)[0]
    furthest = max((abs(value) for matrix in groups.values() for row in matrix for value in row), default=0.0) or 1.0
    for index, (axes, (name, matrix)) in enumerate(zip(panels, groups.items(), strict=False)):
        dress(axes, theme, x="judging persona", y="" if index else "meant to be", title=f"{name}: {_won(matrix)}")
        _cells(axes, matrix, furthest, theme)
        axes.set_xticks(
            range(len(personas)), personas, rotation=40, ha="right", rotation_mode="anchor", parse_math=False
        )
        axes.set_yticks(range(len(personas)), personas, parse_math=False)
    _scale(figure, list(panels), furthest, unit, theme)
    return figure


def _cells(axes: Axes, matrix: Matrix, furthest: float, theme: Theme) -> None:
    from matplotlib.patches import Rectangle

    axes.grid(visible=False)
    edges = [index - 0.5 for index in range(len(matrix) + 1)]
    axes.pcolormesh(edges, edges, matrix, cmap=_colours(theme), vmin=-furthest, vmax=furthest)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    size = 9 if len(matrix) <= 8 else 7
    for row, values in enumerate(matrix):
        for column, value in enumerate(values):
            colour = _text_colour(_colours(theme)((value / furthest + 1) / 2))
            weight = "bold" if row == column else "normal"
            axes.text(
                column, row, _cell_text(value), ha="center", va="center", fontsize=size, color=colour, fontweight=weight
            )
        axes.add_patch(
            Rectangle((row - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=theme.ink, linewidth=1.6, clip_on=False)
        )
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelcolor=theme.ink)


def _scale(figure: Figure, panels: Sequence[Axes], furthest: float, unit: str, theme: Theme) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shown = ScalarMappable(Normalize(-furthest, furthest), _colours(theme))
    bar: Any = figure.colorbar(shown, ax=list(panels), shrink=0.8, aspect=30)
    bar.set_label(f"double-centred score ({unit})", color=theme.ink, fontsize=10)
    bar.ax.tick_params(colors=theme.muted, labelsize=9)
    bar.solids.set_rasterized(False)
    bar.solids.set_edgecolor("face")
    bar.outline.set_visible(False)


def _colours(theme: Theme) -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(theme.name, [theme.low, theme.page, theme.high], _SHADES)


def _text_colour(colour: tuple[float, float, float, float]) -> str:
    """Return black or white, whichever reads well on a cell of this colour."""
    red, green, blue = colour[:3]
    bright = 0.299 * red + 0.587 * green + 0.114 * blue
    return "#111418" if bright > _DARK_CELL else "#ffffff"


def _cell_text(value: float) -> str:
    """Return a signed number with a minus that is as wide as the plus."""
    return signed(value).replace("-", "−")


def _won(matrix: Matrix) -> str:
    """Return in words in how many rows the own persona is highest."""
    won = sum(max(range(len(row)), key=row.__getitem__) == index for index, row in enumerate(matrix))
    return f"own persona highest in {won} of {len(matrix)} rows"
