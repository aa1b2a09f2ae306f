"""Lines about vectors: what commands print of an extraction, a calibration, an axis and its floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persona_core.base.layers import format_layers
from persona_core.vectors.file import USABLE

if TYPE_CHECKING:
    from persona_core.settings.config import Config
    from persona_core.vectors.file import Calibration, VectorHeader
    from persona_core.vectors.vector import Axis, PersonaVector

_BAR = 30


def extraction_line(vector: PersonaVector) -> str:
    """Return a line on a persona that has just been extracted and calibrated."""
    header = vector.header
    doses = [
        f"{calibration.dose:.3f} in {decoding(calibration)}, damage {calibration.damage:.2f} and gain "
        f"{calibration.gain:.2f} nats/token"
        for calibration in (header.guided, header.calibration)
        if calibration is not None
    ]
    return f"{vector.name}: {header.n_rollouts} replies, {_how_sure(header)}; strength 1.0 = dose {'; '.join(doses)}"


def _how_sure(header: VectorHeader) -> str:
    """Return how many steps the vector was fitted with, or how well two halves of its data agree."""
    if header.fit_steps:
        return f"fitted in {header.fit_steps} steps"
    return f"whose halves agree {header.measured['split_half_cosine']:.2f} (1 is wholly, under {USABLE:g} is weak)"


def warning_lines(vector: PersonaVector) -> list[str]:
    """Return a line for each thing that is weak about a persona."""
    return [f"Warning: {warning}" for warning in vector.header.warnings]


def dose_lines(vector: PersonaVector) -> list[str]:
    """Return a calibrated persona's curves, of direct and of guided decoding."""
    layers = format_layers(vector.header.target_layers)
    calibrations = [one for one in (vector.header.calibration, vector.header.guided) if one is not None]
    return [
        line
        for calibration in calibrations
        for line in (
            f"\n{vector.name}: layers {layers}, {decoding(calibration)}, damage in nats/token",
            *_curve_lines(calibration),
        )
    ]


def decoding(calibration: Calibration) -> str:
    """Return how the replies of a calibration were decoded, in words."""
    return f"guided decoding at {calibration.guidance:g}" if calibration.guidance else "direct decoding"


def _curve_lines(calibration: Calibration) -> list[str]:
    """Return a curve: damage as bars, a mark at the budget, and the dose that was chosen."""
    lines = []
    for dose, damage, gain in calibration.curve:
        bar = "█" * round(_BAR * min(damage / (2 * calibration.damage_budget), 1))
        mark = "|" if len(bar) < _BAR // 2 else ""
        lines.append(f"  dose {dose:.3f}  {bar:<{_BAR // 2}}{mark:<1}  damage {damage:5.2f}  gain {gain:+.2f}")
    lines.append(
        f"  strength 1.0 = dose {calibration.dose:.3f}: damage {calibration.damage:.2f} "
        f"(budget {calibration.damage_budget:g}), gain {calibration.gain:+.2f}"
    )
    return lines


def axis_lines(axis: Axis, config: Config) -> list[str]:
    """Return what was measured of an axis, a line a layer, and the calibrated floor of the safety axis."""
    percentile, measured = config.steering.safety_floor_percentile, axis.header.measured
    floor, is_safety = axis.percentile(percentile), axis.name == "safety"
    lines = [f"\n{axis.name} axis: {axis.header.description}"]
    for layer, auc in enumerate(measured["heldout_auc"]):  # type: ignore[arg-type]
        persona = f"  default/persona AUC {measured['persona_auc'][layer]:.2f}" if "persona_auc" in measured else ""  # type: ignore[index]
        bound = f"  floor p{percentile:g} {float(floor[layer]):+9.2f}" if is_safety else ""
        mark = " capped" if is_safety and layer in axis.header.target_layers else ""
        lines.append(f"  layer {layer:2}  held-out AUC {auc:.2f}{persona}{bound}{mark}")
    return [*lines, *floor_lines(axis, config)] if axis.header.floor_curve else lines


def floor_lines(axis: Axis, config: Config) -> list[str]:
    """Return what the floor costs and does at each percentile, and the strictest percentile within the budget."""
    from persona_core.extraction.floor_calibration import strictest

    settings = config.steering
    lines = [f"\nsafety floor at layers {format_layers(axis.header.target_layers)}"]
    for point in axis.header.floor_curve:
        mark = "  configured" if point.percentile == settings.safety_floor_percentile else ""
        lines.append(
            f"  p{point.percentile:<4g} {point.kl:.4f} nats KL on benign replies, likeliest token kept "
            f"{point.top1:.1%}, odds of refusing harm {point.rise:+.2f} nats{mark}"
        )
    best = strictest(axis.header.floor_curve, settings.floor_budget)
    if best is None:
        lines.append(f"  Every percentile costs more than steering.floor_budget ({settings.floor_budget:g} nats).")
    elif best.percentile != settings.safety_floor_percentile:
        lines.append(
            f"  The strictest within {settings.floor_budget:g} nats is p{best.percentile:g}: "
            f"`persona-steer config set steering.safety_floor_percentile {best.percentile:g}`"
        )
    return lines
