"""`persona-steer calibrate`: finds the dose and layers of personas anew, and what the safety floor costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from persona_core.cli.app import App, model_option, progress_bar, say
from persona_core.cli.vector_lines import dose_lines, floor_lines, warning_lines
from persona_core.personas.manager import PersonaManager

if TYPE_CHECKING:
    from persona_core.model.wrapper import ModelWrapper


@click.command("calibrate")
@click.argument("names", nargs=-1, metavar="[NAME... | safety]")
@click.option("--all", "every", is_flag=True, help="Every extracted persona and the safety floor.")
@model_option
@click.pass_obj
def command(app: App, names: tuple[str, ...], every: bool, model: str | None) -> None:
    """Find the dose of personas anew, or what the floor costs.

    Stores the dose and the layers of each persona, and what the safety floor costs and does at each percentile.
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
    calibrate_and_show(app.model(manager.config), manager, personas, floor=every or "safety" in names)


def calibrate_and_show(model: ModelWrapper, manager: PersonaManager, personas: Sequence[str], *, floor: bool) -> None:
    """Calibrate personas one after the other, then the floor, and print what was measured of each."""
    from persona_core.extraction.recalibration import recalibrate_floor, recalibrate_persona

    for name in personas:
        with progress_bar() as progress:
            vector = recalibrate_persona(model, manager, name, progress)
        click.echo("\n".join(dose_lines(vector)))
        for line in warning_lines(vector):
            say(line)
    if floor:
        with progress_bar() as progress:
            axis = recalibrate_floor(model, manager, progress)
        click.echo("\n".join(floor_lines(axis, manager.config)))
