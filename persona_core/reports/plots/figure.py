"""Figures: the empty figure that every picture starts from, its axes and labels, and its file as PNG or SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persona_core.base.files import replace_atomically
from persona_core.errors import PlotError
from persona_core.reports.plots.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")
_DOTS_PER_INCH = 160
_MARGIN = 0.1
_HEIGHT_OF_A_LINE = 0.055


def check_matplotlib() -> None:
    """Raise `PlotError` that says what to install where matplotlib is not there."""
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise PlotError('pictures need matplotlib: run `python -m pip install "persona-core[plot]"`') from error


def new_figure(theme: Theme, width: float, height: float, title: str) -> Figure:
    """Return an empty figure with a title, of a size in inches, outside pyplot's windows and global state."""
    check_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=_MARGIN, h_pad=_MARGIN)
    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, facecolor=theme.page, layout=layout)
    figure.suptitle(title, color=theme.ink, fontsize=13, fontweight="bold", parse_math=False)
    return figure


def dress(axes: Axes, theme: Theme, *, x: str = "", y: str = "", title: str = "") -> None:
    """Colour the axes for the theme and label them."""
    axes.set_facecolor(theme.page)
    axes.set_xlabel(x, color=theme.ink, fontsize=10)
    axes.set_ylabel(y, color=theme.ink, fontsize=10)
    axes.set_title(title, color=theme.ink, fontsize=10.5, loc="left")
    axes.tick_params(colors=theme.muted, labelsize=9)
    axes.grid(color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.muted)


def add_legend(axes: Axes, theme: Theme, position: str = "best", **options: Any) -> None:
    """Add a legend in the theme's colours."""
    colours: dict[str, Any] = {"labelcolor": theme.ink, "facecolor": theme.page, "edgecolor": theme.grid}
    whole: dict[str, Any] = {"loc": position, "fontsize": 9, "framealpha": 0.9, **colours, **options}
    axes.legend(**whole)


def note(axes: Axes, theme: Theme, text: str, point: tuple[float, float], **options: Any) -> None:
    """Write a text beside a point on a patch of the page's colour, so that no line crosses it."""
    patch = {"boxstyle": "square,pad=0.08", "facecolor": theme.page, "edgecolor": "none", "alpha": 0.75}
    style: dict[str, Any] = {
        "fontsize": 9,
        "color": theme.ink,
        "annotation_clip": False,
        "bbox": patch,
        "zorder": 4,
        **options,
    }
    axes.annotate(text, point, textcoords="offset points", parse_math=False, **style)


def label_ends(axes: Axes, ends: Mapping[str, tuple[float, float]], theme: Theme) -> None:
    """Write each line's name in a column at the right; a dotted leader joins it to a line that ends earlier."""
    last = max(x for x, _ in ends.values())
    low, high = axes.get_ylim()
    heights = _spread([y for _, y in ends.values()], (high - low) * _HEIGHT_OF_A_LINE)
    for index, ((name, (x, y)), height) in enumerate(zip(ends.items(), heights, strict=True)):
        colour = theme.colour(index)
        note(axes, theme, name, (last, height), xytext=(6, 0), va="center", color=colour)
        if x < last:
            axes.plot([x, last], [y, height], color=colour, linewidth=0.9, linestyle=(0, (1, 3)))


def check_format(path: Path) -> str:
    """Return a file's format by its suffix; raise `PlotError` for any but PNG and SVG."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise PlotError(f"{path.name!r} does not end in .png or .svg; name the file so that the format is one of them")
    return suffix


def write(figure: Figure, path: Path) -> None:
    """Write a PNG or an SVG, by the suffix; whole or not at all, and the same bytes for the same picture."""
    file_format = check_format(path)
    replace_atomically(path, lambda unfinished: unfinished.write_bytes(_rendered(figure, file_format)))


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """Return a picture as an `<svg>` element for an HTML page; its ids begin with `name`, unlike others."""
    text = _rendered(figure, "svg").decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(?:xmlns(?::\w+)?|version)="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'^<svg([^>]*?) width="[^"]*"', r"<svg\1", re.sub(r' height="[^"]*pt"', "", text, count=1))
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)


def _rendered(figure: Figure, file_format: str) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    metadata = {"Date": None} if file_format == "svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "persona-steer", "svg.fonttype": "none"}):
        figure.savefig(buffer, format=file_format, metadata=metadata)
    return buffer.getvalue()


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights at least `gap` apart; their order and their mean stay the same."""
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    spread = list(heights)
    for lower, upper in pairwise(order):
        spread[upper] = max(spread[upper], spread[lower] + gap)
    shift = sum(a - b for a, b in zip(spread, heights, strict=True)) / max(len(heights), 1)
    return [height - shift for height in spread]
