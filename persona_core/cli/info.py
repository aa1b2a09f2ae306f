"""`persona-steer info`: shows everything that is known of one persona."""

from __future__ import annotations

import json
from typing import Any

import click

from persona_core.base.layers import format_layers
from persona_core.cli.app import App, json_option, model_option
from persona_core.personas.figures import figures
from persona_core.vectors.file import Calibration, VectorHeader, read_header


@click.command("info")
@click.argument("name")
@json_option
@model_option
@click.pass_obj
def command(app: App, name: str, as_json: bool, model: str | None) -> None:
    """Show everything that is known of one persona.

    Its description, model, layers, norms, cosines with the axes and the other personas, calibration and provenance.

    \b
    Example:
      persona-steer info sage
    """
    app.model_name = model
    manager = app.manager()
    path = manager.require(name)
    header = read_header(path)
    data = header.model_dump(mode="json") | {"file": str(path)} | figures(manager, name, header)
    click.echo(json.dumps(data, indent=2) if as_json else _text(header, data))


def _text(header: VectorHeader, data: dict[str, Any]) -> str:
    lines = [
        f"{header.name}: {header.description}",
        f"  archetype    {header.archetype or '-'} from {header.source or 'workspace'}",
        f"  model        {header.model.name} ({header.model.n_layers} layers of {header.model.hidden_size}, "
        f"weights {header.model.fingerprint})",
        f"  layers       {format_layers(header.target_layers)}",
        f"  norms        {_pairs(data['norms'])}",
        f"  axes         {_pairs(data['cosines_with_axes'])} (cosine)",
        f"  personas     {_pairs(data['cosines_with_personas']) or '-'} (cosine)",
        f"  halves agree with cosine {header.measured.get('split_half_cosine', 'not measured')}",
        f"  calibration  {_calibration(header.calibration)}",
        f"  made         {header.created}, {header.n_rollouts} replies, seed {header.seed}, {_pairs(header.versions)}",
        f"  method       {header.method}",
        f"  file         {data['file']}",
    ]
    return "\n".join([*lines, *(f"  warning      {warning}" for warning in header.warnings)])


def _calibration(calibration: Calibration | None) -> str:
    if calibration is None:
        return "none"
    measured = f"damage {calibration.damage:.2f}, gain {calibration.gain:.2f} nats/token"
    return f"strength 1.0 = dose {calibration.dose:.3f}: {measured}"


def _pairs(values: dict[Any, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
