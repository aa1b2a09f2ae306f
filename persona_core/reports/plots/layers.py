"""Layers picture: draws how well each axis separates its two sides, and how long persona directions are, by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from persona_core.base.layers import format_layers, layer_runs, resolve_layers
from persona_core.errors import PlotError
from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots.figure import add_legend, dress, label_ends, new_figure, note
from persona_core.reports.plots.theme import DASHES, Theme
from persona_core.vectors.file import VectorHeader, read_arrays, read_header
from persona_core.vectors.store import ASSISTANT, SAFETY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REFUSE_COMPLY = "safety axis: refusing / complying, held out"
SAFETY_PERSONA = "safety axis: default / persona (0.5 is neutral)"
ASSISTANT_PERSONA = "assistant axis: default / persona, held out"
_CHANCE = 0.5


@dataclass(frozen=True)
class LayerFigures:
    """Figures by layer: the AUC of each separation, and each persona's length over the median residual norm."""

    model: str
    target_layers: tuple[int, ...]
    capping_layers: tuple[int, ...]
    separation: Mapping[str, Sequence[float]]
    norms: Mapping[str, Sequence[float]] = field(default_factory=dict)


def read_layers(manager: PersonaManager) -> LayerFigures:
    """Read the AUCs that extraction stored with the axes, and the lengths of the personas' directions."""
    paths = manager.paths()
    axes = {axis: path for axis in (SAFETY, ASSISTANT) if (path := manager.store.part_path(axis))}
    headers = {axis: read_header(path) for axis, path in axes.items()}
    personas = [read_header(path) for path in paths.values()]
    known = [*headers.values(), *personas]
    if not known:
        raise PlotError(f"no vectors for {manager.slug}; run `persona-steer extract-axes` and `persona-steer extract`")
    separations = {
        REFUSE_COMPLY: (SAFETY, "heldout_auc"),
        ASSISTANT_PERSONA: (ASSISTANT, "heldout_auc"),
        SAFETY_PERSONA: (SAFETY, "persona_auc"),
    }
    curves = {label: headers[axis].measured.get(key) for label, (axis, key) in separations.items() if axis in headers}
    model = known[0].model
    return LayerFigures(
        model=model.slug,
        target_layers=steered_layers(personas),
        capping_layers=resolve_layers(manager.config.steering.capping_layers, model.n_layers),
        separation={label: curve for label, curve in curves.items() if isinstance(curve, list)},
        norms={name: _relative_norms(manager, name) for name in paths},
    )


def steered_layers(personas: Iterable[VectorHeader]) -> tuple[int, ...]:
    """Return every layer that any of the personas is added at; calibration may choose different layers for each."""
    return tuple(sorted({layer for header in personas for layer in header.target_layers}))


def draw(figures: LayerFigures, theme: Theme) -> Figure:
    """Draw separation above and length below, with the target and capping layers shaded; leave out an empty panel."""
    panels = [panel for panel, curves in ((_separation, figures.separation), (_norms, figures.norms)) if curves]
    title = "Separation and length by layer" if figures.norms else "Separation by layer"
    figure = new_figure(theme, 9, 1.4 + 3 * max(len(panels), 1), f"{title}: {figures.model}")
    rows = figure.subplots(max(len(panels), 1), 1, sharex=True, squeeze=False)[:, 0]
    for panel, axes in zip(panels, rows, strict=False):
        panel(axes, figures, theme)
        _shade(axes, figures, theme)
    n_layers = max((len(curve) for curve in (*figures.separation.values(), *figures.norms.values())), default=1)
    rows[-1].set_xlim(-0.5, n_layers - 0.5)
    rows[-1].set_xlabel("layer (the residual stream after this block)", color=theme.ink, fontsize=10)
    return figure


def _separation(axes: Axes, figures: LayerFigures, theme: Theme) -> None:
    dress(axes, theme, y="area under the curve (AUC)", title="how well a projection tells two kinds of reply apart")
    for index, (label, curve) in enumerate(figures.separation.items()):
        axes.plot(
            curve, color=theme.colour(index), linestyle=DASHES[index % len(DASHES)], linewidth=2, marker="o",
            markersize=3.5, label=label,
        )  # fmt: skip
    axes.axhline(_CHANCE, color=theme.muted, linewidth=1)
    lowest = min(min(curve) for curve in figures.separation.values())
    axes.set_ylim(min(0.4, lowest - 0.05), 1.13)
    axes.set_yticks([tick / 10 for tick in range(int(lowest * 10) if lowest < 0.4 else 4, 11)])
    note(axes, theme, "chance", (1, _CHANCE), xycoords=("axes fraction", "data"), xytext=(5, 0), va="center",
         fontsize=8.5, color=theme.muted)  # fmt: skip
    add_legend(axes, theme, "center right" if lowest > 0.6 else "best")


def _norms(axes: Axes, figures: LayerFigures, theme: Theme) -> None:
    dress(axes, theme, y="length / median residual norm", title="how long each persona's direction is in the stream")
    for index, curve in enumerate(figures.norms.values()):
        dash = DASHES[index // len(theme.series) % len(DASHES)]
        axes.plot(curve, color=theme.colour(index), linestyle=dash, linewidth=2)
    axes.set_ylim(0, max(max(curve) for curve in figures.norms.values()) * 1.2)
    ends = {name: (float(len(curve) - 1), curve[-1]) for name, curve in figures.norms.items()}
    label_ends(axes, ends, theme)


def _shade(axes: Axes, figures: LayerFigures, theme: Theme) -> None:
    """Shade the target and the capping layers, with their names on top."""
    for layers, name, colour, strength in (
        (figures.target_layers, "target layers", theme.high, 0.14),
        (figures.capping_layers, "capping layers", theme.low, 0.14),
    ):
        for start, end in layer_runs(layers):
            axes.axvspan(start - 0.5, end + 0.5, color=colour, alpha=strength, linewidth=0, zorder=0)
        if layers:
            middle = ((layers[0] + layers[-1]) / 2, 1.0)
            note(axes, theme, f"{name} {format_layers(layers)}", middle, xycoords=("data", "axes fraction"),
                 xytext=(0, -4), ha="center", va="top", fontsize=8.5, color=colour, bbox=None)  # fmt: skip


def _relative_norms(manager: PersonaManager, name: str) -> list[float]:
    arrays = read_arrays(manager.require(name))
    lengths = (arrays["directions"].astype("float64") ** 2).sum(-1) ** 0.5
    return [float(value) for value in lengths / arrays["residual_norm"].clip(1e-30)]
