"""`persona-steer list`: lists the personas of the configured model."""

import json
import shutil
import sys
from typing import Any

import click

from persona_core.cli.app import App, json_option, model_option
from persona_core.personas.manager import PersonaEntry


@click.command("list")
@click.option("--loaded", is_flag=True, help="Only the active set.")
@json_option
@model_option
@click.pass_obj
def command(app: App, loaded: bool, as_json: bool, model: str | None) -> None:
    """List personas, and archetypes that are not extracted yet.

    \b
    Example:
      persona-steer list --loaded
    """
    app.model_name = model
    manager = app.manager()
    entries = [entry for entry in manager.entries() if entry.loaded or not loaded]
    if as_json:
        click.echo(json.dumps([as_data(entry, manager.slug) for entry in entries], indent=2))
        return
    click.echo(f"personas for {manager.slug}" + (" (active set)" if loaded else ""))
    for entry in entries:
        click.echo(one_line(f"  {entry.name:16} {status(entry):34} {entry.source:30} {entry.description}"))
    if not entries:
        click.echo(
            "  none; see `persona-steer list`" if loaded else "  none; install an archetype package or `create` one"
        )


def one_line(text: str) -> str:
    """Return text cut to the terminal's width; whole where it goes into a file or a pipe."""
    if not sys.stdout.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return text if len(text) <= width else f"{text[: width - 1]}…"


def status(entry: PersonaEntry) -> str:
    """Return an entry's state in words."""
    if entry.problem:
        return "damaged: extract or delete it"
    if entry.header is None:
        return "not extracted"
    calibrations = {"guided": entry.header.guided, "direct": entry.header.calibration}
    doses = [f"{one.dose:.3f} {how}" for how, one in calibrations.items() if one]
    strength = f"strength 1.0 = dose {', '.join(doses)}" if doses else "not calibrated"
    return f"{'loaded, ' if entry.loaded else ''}{strength}"


def as_data(entry: PersonaEntry, slug: str) -> dict[str, Any]:
    """Return an entry as JSON data."""
    direct, guided = (entry.header.calibration, entry.header.guided) if entry.header else (None, None)
    return {
        "name": entry.name,
        "source": entry.source,
        "description": entry.description,
        "extracted_for": slug if entry.header else None,
        "dose": direct.dose if direct else None,
        "guided_dose": guided.dose if guided else None,
        "loaded": entry.loaded,
        "problem": entry.problem or None,
    }
