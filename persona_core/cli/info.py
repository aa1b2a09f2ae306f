"""`persona-steer info`: everything that is known of one persona."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from persona_core.base.layers import format_layers
from persona_core.cli.app import App, json_option, model_option
from persona_core.errors import VectorError
from persona_core.personas.manager import PersonaManager
from persona_core.vectors.file import Calibration, VectorHeader, read_arrays, read_header
from persona_core.vectors.store import ASSISTANT, SAFETY

if TYPE_CHECKING:
    import numpy as np


@click.command("info")
@click.argument("name")
@json_option
@model_option
@click.pass_obj
def command(app: App, name: str, as_json: bool, model: str | None) -> None:
    """Show a persona: description, model, layers, norms, cosines, calibration, provenance.

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


def figures(manager: PersonaManager, name: str, header: VectorHeader) -> dict[str, Any]:
    """Return norms and cosines over the target layers, with numpy alone."""
    layers = list(header.target_layers)
    own = read_arrays(manager.require(name))["directions"][layers]
    others = _comparable(
        header, {other: manager.store.find_persona(other) for other in manager.names() if other != name}
    )
    parts = {part: manager.store.part_path(part) for part in (SAFETY, ASSISTANT)}
    axes = _comparable(header, {part: path for part, path in parts.items() if path})
    return {
        "norms": {layer: round(float((row**2).sum() ** 0.5), 3) for layer, row in zip(layers, own, strict=True)},
        "cosines_with_axes": {part: _cosine(own, read_arrays(p)["directions"][layers]) for part, p in axes.items()},
        "cosines_with_personas": {o: _cosine(own, read_arrays(p)["directions"][layers]) for o, p in others.items()},
    }


def _comparable(header: VectorHeader, paths: dict[str, Path]) -> dict[str, Path]:
    """Leave out damaged files, which `list` shows, and those of another model."""
    found = {}
    for name, path in paths.items():
        with suppress(VectorError):
            if read_header(path).model == header.model:
                found[name] = path
    return found


def _cosine(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    lengths = ((one**2).sum(-1) * (other**2).sum(-1)) ** 0.5
    return round(float(((one * other).sum(-1) / lengths.clip(1e-30)).mean()), 4)


def _text(header: VectorHeader, data: dict[str, Any]) -> str:
    found = header.calibration
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
        f"  calibration  {_calibration(found)}",
        f"  made         {header.created}, {header.n_rollouts} replies, seed {header.seed}, {_pairs(header.versions)}",
        f"  method       {header.method}",
        f"  file         {data['file']}",
    ]
    return "\n".join([*lines, *(f"  warning      {warning}" for warning in header.warnings)])


def _calibration(found: Calibration | None) -> str:
    if found is None:
        return "none"
    return f"strength 1.0 = dose {found.dose:.3f}: damage {found.damage:.2f}, gain {found.gain:.2f} nats/token"


def _pairs(values: dict[Any, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
