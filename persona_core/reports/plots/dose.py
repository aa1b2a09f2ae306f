"""Dose picture: draws effect and damage as strength rises, one curve a persona."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_core.errors import PlotError
from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots.figure import dress, label_ends, new_figure, note
from persona_core.reports.plots.theme import DASHES, MARKERS, Theme
from persona_core.settings.config import STRONGEST
from persona_core.vectors.file import Calibration, read_header

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from persona_core.evaluation.dose_response import DoseResult

_ROOM = 0.4
"""Strengths at the left edge in which a label does not fit on the left of its line."""


@dataclass(frozen=True)
class DoseCurve:
    """One persona: gain and damage, in nats per token, at each strength."""

    persona: str
    strengths: tuple[float, ...]
    gains: tuple[float, ...]
    damages: tuple[float, ...]


@dataclass(frozen=True)
class DoseFigures:
    """A model's curves and the strengths to mark; `effect` describes the gain and where it was measured."""

    model: str
    curves: tuple[DoseCurve, ...]
    default_strength: float
    damage_budget: float | None
    effect: str
    unit: str = "nats/token"
    """Of the gain; damage is always in nats per token."""
    cost: str = "how much less likely under the unsteered model"
    """Describes the damage."""


def read_doses(manager: PersonaManager) -> DoseFigures:
    """Read the curves that calibration stored for the configured decoding; raise `PlotError` where there are none."""
    headers = [read_header(path) for path in manager.paths().values()]
    guided = manager.config.steering.decoding == "guided"
    calibrations = {header.name: header.guided if guided else header.calibration for header in headers}
    curves = [_calibrated(name, calibration) for name, calibration in calibrations.items() if calibration]
    curves = [curve for curve in curves if len(curve.strengths) > 1]
    if not curves:
        raise PlotError(f"no persona of {manager.slug} has a calibration curve; run `persona-steer extract`")
    return DoseFigures(
        model=manager.slug,
        curves=tuple(curves),
        default_strength=manager.config.steering.default_strength,
        damage_budget=manager.config.extraction.damage_budget,
        effect="how much likelier under the persona's own prompt, as calibration measured it",
        cost="loss of likelihood under the unsteered model, or KL where that is larger",
    )


def evaluated_doses(
    model: str, result: DoseResult, unit: str = "nats/token", damage_budget: float | None = None
) -> DoseFigures:
    """Return the curves of an evaluation; `unit` is that of its judge."""
    curves = [
        DoseCurve(
            name,
            tuple(point.strength for point in points),
            tuple(point.gain for point in points),
            tuple(point.damage for point in points),
        )
        for name, points in result.curves.items()
    ]
    effect = f"how much more replies to {result.questions} unused questions sound like the persona"
    return DoseFigures(model, tuple(curves), result.default_strength, damage_budget, effect, unit)


def draw(figures: DoseFigures, theme: Theme) -> Figure:
    """Draw gain above and damage below over the same strengths."""
    figure = new_figure(theme, 9, 7.4, f"Effect and damage by strength: {figures.model}")
    above, below = figure.subplots(2, 1, sharex=True)
    dress(above, theme, y=f"gain ({figures.unit})", title=f"effect: {figures.effect}")
    dress(below, theme, x="strength (1.0 is the calibrated dose)", y="damage (nats/token)",
          title=f"damage: {figures.cost}")  # fmt: skip
    _lines(above, figures, [curve.gains for curve in figures.curves], theme, named=True)
    _lines(below, figures, [curve.damages for curve in figures.curves], theme)
    if figures.damage_budget is not None:
        below.axhline(figures.damage_budget, color=theme.muted, linewidth=1.2, linestyle=(0, (4, 3)))
        note(below, theme, f"budget {figures.damage_budget:g}", (0, figures.damage_budget), xytext=(2, 3), fontsize=8.5,
             color=theme.muted)  # fmt: skip
    return figure


def _lines(
    axes: Axes, figures: DoseFigures, values: Sequence[Sequence[float]], theme: Theme, *, named: bool = False
) -> None:
    ends = {}
    for index, (curve, heights) in enumerate(zip(figures.curves, values, strict=True)):
        xs, ys = up_to(curve.strengths, heights, STRONGEST)
        axes.plot(
            xs, ys, color=theme.colour(index), linestyle=DASHES[index // len(theme.series) % len(DASHES)], linewidth=2,
            marker=MARKERS[index % len(MARKERS)], markersize=4.5,
        )  # fmt: skip
        ends[curve.persona] = (xs[-1], ys[-1])
    axes.set_xlim(-0.03, STRONGEST + 0.02)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.12 * (high - low))
    label_ends(axes, ends, theme)
    _mark_strengths(axes, figures.default_strength, theme, named=named)


def _mark_strengths(axes: Axes, default: float, theme: Theme, *, named: bool) -> None:
    """Mark the calibrated point and the default strength, with one line if they are the same."""
    names = {1.0: "calibrated point"}
    names[default] = "default strength" if default != 1.0 else "calibrated point and default strength"
    first = min(names)
    for strength, name in names.items():
        axes.axvline(strength, color=theme.ink, linewidth=1.2, linestyle="-" if strength == 1.0 else (0, (4, 3)))
        left = strength == first and len(names) > 1 and strength > _ROOM
        if named:
            note(axes, theme, name, (strength, 1), xycoords=("data", "axes fraction"), va="top", fontsize=8.5,
                 xytext=(-4 if left else 4, -3), ha="right" if left else "left")  # fmt: skip


def up_to(xs: Sequence[float], ys: Sequence[float], end: float) -> tuple[list[float], list[float]]:
    """Return a curve up to `end`, with the interpolated point at `end`."""
    kept = [(x, y) for x, y in zip(xs, ys, strict=True) if x <= end]
    after = next(((x, y) for x, y in zip(xs, ys, strict=True) if x > end), None)
    if after is not None and kept and kept[-1][0] < end:
        (x0, y0), (x1, y1) = kept[-1], after
        kept.append((end, y0 + (y1 - y0) * (end - x0) / (x1 - x0)))
    return [x for x, _ in kept], [y for _, y in kept]


def _calibrated(name: str, calibration: Calibration) -> DoseCurve:
    """Return a stored curve with strengths in place of doses: doses in units of the calibrated dose."""
    curve = calibration.curve if calibration.dose > 0 else ()
    doses, damages, gains = zip(*curve, strict=True) if curve else ((), (), ())
    return DoseCurve(name, tuple(dose / calibration.dose for dose in doses), gains, damages)
