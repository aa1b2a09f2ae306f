"""`python -m persona_archetypes_files PATH ...`: says which archetypes files give, before they are used."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from persona_archetypes_files.collecting import collect
from persona_core import Archetype
from persona_core.testing import check_archetype


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(paths: tuple[Path, ...]) -> None:
    """Count the archetypes of folders and archives, and print why a file gives none or one with too little text."""
    start = time.perf_counter()
    collected = collect(paths)
    seconds = time.perf_counter() - start
    archetypes = [archetype for archetype in collected if isinstance(archetype, Archetype)]
    problems = [str(error) for error in collected if not isinstance(error, Archetype)]
    problems += [problem for archetype in archetypes if (problem := _thin(archetype))]
    roles = sum("role" in archetype.tags for archetype in archetypes)
    for problem in problems:
        click.echo(problem, err=True)
    traits = len(archetypes) - roles
    click.echo(
        f"{len(archetypes)} archetypes ({roles} roles, {traits} traits) in {seconds:.2f} s, {len(problems)} problems"
    )
    sys.exit(bool(problems))


def _thin(archetype: Archetype) -> str:
    """Return what an archetype lacks for a usable vector, or nothing."""
    try:
        check_archetype(archetype)
    except AssertionError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    command()
