"""`persona-steer extract-axes`: the safety axis, the assistant axis and the baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from persona_core.cli.app import App, model_option, progress_bar
from persona_core.cli.calibrate import show_floor
from persona_core.personas.manager import PersonaManager

if TYPE_CHECKING:
    from persona_core.extraction.assistant_axis import AxisExtraction
    from persona_core.vectors.vector import Axis


@click.command("extract-axes")
@click.argument("which", required=False, type=click.Choice(["safety", "assistant"]))
@model_option
@click.pass_obj
def command(app: App, which: str | None, model: str | None) -> None:
    """Make the axes and the assistant baseline, with held-out separation and floor by layer.

    A killed run goes on where it was.

    \b
    Example:
      persona-steer extract-axes
      persona-steer extract-axes safety
    """
    from persona_core.extraction.assistant_axis import AxisExtraction

    app.model_name = model
    manager = app.manager()
    wrapper = app.model(manager.config)
    with progress_bar() as progress:
        axes = make_axes(AxisExtraction(wrapper, manager, progress), which)
    for axis in axes:
        show_axis(axis, manager)


def make_axes(work: AxisExtraction, which: str | None = None) -> list[Axis]:
    """Make the named axis, or both; the assistant axis comes with the baseline."""
    from persona_core.extraction import assistant_axis as axes
    from persona_core.extraction.safety_axis import extract_safety_axis

    made = []
    if which in (None, "assistant"):
        axes.extract_baseline(work)
        made.append(axes.extract_assistant_axis(work))
    if which in (None, "safety"):
        made.append(extract_safety_axis(work))
    return made


def show_axis(axis: Axis, manager: PersonaManager) -> None:
    """Print what was measured of an axis, a line a layer, and the calibrated floor of the safety axis."""
    percentile = manager.config.steering.safety_floor_percentile
    measured = axis.header.measured
    click.echo(f"\n{axis.name} axis: {axis.header.description}")
    floor = axis.percentile(percentile)
    for layer, auc in enumerate(measured["heldout_auc"]):  # type: ignore[arg-type]
        persona = f"  default/persona AUC {measured['persona_auc'][layer]:.2f}" if "persona_auc" in measured else ""  # type: ignore[index]
        bound = f"  floor p{percentile:g} {float(floor[layer]):+9.2f}" if axis.name == "safety" else ""
        mark = " capped" if axis.name == "safety" and layer in axis.header.target_layers else ""
        click.echo(f"  layer {layer:2}  held-out AUC {auc:.2f}{persona}{bound}{mark}")
    if axis.header.floor_curve:
        show_floor(axis, manager)
