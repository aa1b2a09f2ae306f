"""`persona-steer calibrate`: dose and layers of personas, and the floor of the safety axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from persona_core.base.layers import format_layers
from persona_core.cli.app import App, model_option, progress_bar
from persona_core.cli.extract import warn
from persona_core.errors import PersonaError
from persona_core.personas.manager import PersonaManager

if TYPE_CHECKING:
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.vectors.vector import Axis, PersonaVector

_WIDTH = 30


@click.command("calibrate")
@click.argument("names", nargs=-1, metavar="[NAME... | safety]")
@click.option("--all", "every", is_flag=True, help="Every extracted persona and the safety floor.")
@model_option
@click.pass_obj
def command(app: App, names: tuple[str, ...], every: bool, model: str | None) -> None:
    """Find the dose and the layers of personas, or what the safety floor costs and does, and store them.

    `extract` and `create` do this by themselves; use it after changing extraction.damage_budget,
    extraction.layer_bands or the floor's settings. The name `safety` stands for the floor.

    \b
    Example:
      persona-steer calibrate sage
      persona-steer calibrate safety
    """
    if every == bool(names):
        raise click.UsageError("name the personas or `safety`, or give --all")
    app.model_name = model
    manager = app.manager()
    personas = manager.names() if every else [name for name in names if name != "safety"]
    for name in personas:
        manager.require(name)
    wrapper = app.model(manager.config)
    for name in personas:
        show_dose(calibrate_persona(wrapper, manager, name))
    if every or "safety" in names:
        show_floor(calibrate_safety(wrapper, manager), manager)


def calibrate_persona(model: ModelWrapper, manager: PersonaManager, name: str) -> PersonaVector:
    """Calibrate one persona anew and save it."""
    from persona_core.extraction.calibration import calibrate
    from persona_core.extraction.data import persona_dataset

    vector = manager.persona(name, model.identity)
    with progress_bar() as progress:
        found = calibrate(model, vector, persona_dataset(manager, name), manager, progress=progress)
    manager.save(found)
    return found


def calibrate_safety(model: ModelWrapper, manager: PersonaManager) -> Axis:
    """Check and calibrate the stored safety axis anew and save it in the workspace."""
    from persona_core.extraction.assistant_axis import AxisExtraction
    from persona_core.extraction.safety_axis import recalibrate

    with progress_bar() as progress:
        return recalibrate(AxisExtraction(model, manager, progress))


def show_dose(vector: PersonaVector) -> None:
    """Print a persona's curve: damage as bars, the budget and the chosen dose marked."""
    found = vector.header.calibration
    if found is None:
        raise PersonaError(f"{vector.name} could not be calibrated")
    click.echo(f"\n{vector.name}: layers {format_layers(vector.header.target_layers)}, damage in nats/token")
    for dose, damage, gain in found.curve:
        bar = "█" * round(_WIDTH * min(damage / (2 * found.damage_budget), 1))
        mark = "|" if len(bar) < _WIDTH // 2 else ""
        click.echo(f"  dose {dose:.2f}  {bar:<{_WIDTH // 2}}{mark:<1}  damage {damage:5.2f}  gain {gain:+.2f}")
    click.echo(
        f"  strength 1.0 = dose {found.dose:.3f}: damage {found.damage:.2f} (budget {found.damage_budget:g}), "
        f"gain {found.gain:+.2f}"
    )
    warn(vector)


def show_floor(axis: Axis, manager: PersonaManager) -> None:
    """Print what each percentile costs and does, and the strictest within the budget."""
    from persona_core.extraction.floor_calibration import strictest

    settings = manager.config.steering
    click.echo(f"\nsafety floor at layers {format_layers(axis.header.target_layers)}")
    for point in axis.header.floor_curve:
        mark = "  configured" if point.percentile == settings.safety_floor_percentile else ""
        click.echo(
            f"  p{point.percentile:<4g} {point.kl:.4f} nats KL on benign replies, likeliest token kept "
            f"{point.top1:.1%}, odds of refusing harm {point.rise:+.2f} nats{mark}"
        )
    best = strictest(axis.header.floor_curve, settings.floor_budget)
    if best is None:
        click.echo(f"  Every percentile costs more than steering.floor_budget ({settings.floor_budget:g} nats).")
    elif best.percentile != settings.safety_floor_percentile:
        click.echo(
            f"  The strictest within {settings.floor_budget:g} nats is p{best.percentile:g}: "
            f"`persona-steer config set steering.safety_floor_percentile {best.percentile:g}`"
        )
