"""`persona-steer info`: shows everything that is known of one persona."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from persona_core.base.layers import format_layers
from persona_core.cli.app import App, json_option, model_option
from persona_core.cli.vector_lines import decoding
from persona_core.personas.figures import figures
from persona_core.vectors.file import USABLE, VectorHeader, read_header
from persona_core.vectors.store import ASSISTANT, SAFETY


@click.command("info")
@click.argument("name")
@json_option
@model_option
@click.pass_obj
def command(app: App, name: str, as_json: bool, model: str | None) -> None:
    """Show everything that is known of one persona.

    Its description, model and layers; what strength 1.0 does; how sure its direction is, and how alike to others.

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
    model = header.model
    lines = [
        f"{header.name}: {header.description}",
        f"  archetype      {header.archetype or '-'} from {header.source or 'workspace'}",
        f"  model          {model.name} ({model.n_layers} layers of {model.hidden_size}, weights {model.fingerprint})",
        f"  layers         {format_layers(header.target_layers)}: where it is added",
        *_dose_lines(header),
        *_direction_lines(header, data["norms"]),
        *_likeness_lines(data),
        f"  made           {header.created}, {header.n_rollouts} replies, seed {header.seed}",
        f"  with           {_pairs(header.versions)}",
        f"  method         {header.method}",
        f"  file           {data['file']}",
    ]
    return "\n".join([*lines, *(f"  warning        {warning}" for warning in header.warnings)])


def _dose_lines(header: VectorHeader) -> list[str]:
    """Return what strength 1.0 stands for in either way of decoding, what it costs and what it brings."""
    calibrations = [one for one in (header.guided, header.calibration) if one is not None]
    if not calibrations:
        return ["  calibration    none: `persona-steer calibrate` finds what strength 1.0 stands for"]
    lines = [
        f"  strength 1.0   adds {one.dose / len(header.target_layers):.1%} of the stream's length in each of these "
        f"layers in {decoding(one)}: dose {one.dose:.3f}, damage {one.damage:.2f}, gain {one.gain:.2f}"
        for one in calibrations
    ]
    if header.guided is None:
        lines.append("  guided         no dose: `persona-steer calibrate` finds it")
    return [
        *lines,
        f"  damage         nats a token: the fluency that it costs; {calibrations[0].damage_budget:g} is allowed",
        "  gain           nats a token: how much more its replies sound like the persona's own system prompt",
    ]


def _direction_lines(header: VectorHeader, norms: Mapping[int, float]) -> list[str]:
    """Return how sure its direction is, and how far the persona's own replies lie along it."""
    halves, share = (header.measured.get(key) for key in ("split_half_cosine", "relative_norm"))
    lines = []
    if isinstance(halves, float):
        scale = "before the fit" if header.fit_steps else f"1 is wholly, under {USABLE:g} is weak"
        lines.append(f"  agreement      {halves:.2f}: how alike two halves of its data point; {scale}")
    ends = f"{min(norms.values()):.2f} to {max(norms.values()):.2f}" if norms else "-"
    if isinstance(share, float):
        ends = f"{share:.1%} of the stream's ({ends})"
    what = "what was fitted" if header.fit_steps else "how far its replies lie from what all personas share"
    return [*lines, f"  length         {ends}: {what}"]


def _likeness_lines(data: Mapping[str, Any]) -> list[str]:
    """Return how alike its direction is to both axes and to each other persona."""
    axes, personas = data["cosines_with_axes"], data["cosines_with_personas"]
    lines = ["  likeness       1 is the same direction, 0 has nothing to do with it, -1 is its opposite"]
    if SAFETY in axes:
        lines.append(f"    safety       {_cosine(axes[SAFETY])}: at 0 the persona by itself does not touch safety")
    if ASSISTANT in axes:
        lines.append(f"    assistant    {_cosine(axes[ASSISTANT])}: below 0 it leads away from the default assistant")
    if personas:
        nearest_first = sorted(personas.items(), key=lambda likeness: -likeness[1])
        lines.append(f"    personas     {', '.join(f'{name} {_cosine(value)}' for name, value in nearest_first)}")
    return lines


def _cosine(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
