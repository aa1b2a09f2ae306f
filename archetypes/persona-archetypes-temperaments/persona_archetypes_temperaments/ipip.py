"""Asks a steered model the 50 IPIP statements and prints what each temperament does to its own factor.

`python -m persona_archetypes_temperaments.ipip --model smollm2`, in a workspace where the ten are extracted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from persona_archetypes_temperaments.questionnaire import Factor, read_factors
from persona_core import App, progress_bar
from persona_core.errors import PersonaError

if TYPE_CHECKING:
    from persona_archetypes_temperaments.measurement import IpipResult


@click.command()
@click.option("--workspace", type=click.Path(path_type=Path, file_okay=False), help="The workspace folder.")
@click.option("--model", help="A model other than the configured one.")
@click.option(
    "--factor", "chosen", multiple=True, type=click.Choice(list(read_factors())), help="A factor; all where left out."
)
@click.option("--strength", type=click.FloatRange(0, 2), help="0.0-2.0; the configured one where left out.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random vectors and intervals."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    workspace: Path | None,
    model: str | None,
    chosen: tuple[str, ...],
    strength: float | None,
    seed: int,
    as_json: bool,
) -> None:
    """Measure whether the ten temperaments move their own factor of the Big Five."""
    app = App(None, workspace)
    app.model_name = model
    factors = {name: factor for name, factor in read_factors().items() if name in chosen or not chosen}
    try:
        result = _measured(app, factors, strength, seed)
    except PersonaError as error:
        raise click.ClickException(str(error)) from error
    click.echo(result.model_dump_json(indent=1) if as_json else "\n".join(report(result, factors)))


def _measured(app: App, factors: Mapping[str, Factor], strength: float | None, seed: int) -> IpipResult:
    """Return the figures; raise before the model is loaded where a persona is not extracted."""
    from persona_archetypes_temperaments.measurement import measure

    manager = app.manager()
    for factor in factors.values():
        for name, _ in factor.poles:
            manager.require(name)
    with progress_bar() as progress:
        return measure(app.model(manager.config), manager, factors, strength, seed=seed, progress=progress)


def report(result: IpipResult, factors: Mapping[str, Factor]) -> Iterator[str]:
    """Yield the result as two Markdown tables under a line that says how it was measured."""
    yield (
        f"{result.statements} statements, model {result.model}, strength {result.strength:g}, "
        f"safety {'on' if result.safety else 'off'}, seed {result.seed}, {result.machine}"
    )
    yield ""
    yield from _own_table(result, factors)
    yield ""
    yield from _contrast_table(result)


def _own_table(result: IpipResult, factors: Mapping[str, Factor]) -> Iterator[str]:
    """Yield how far each persona moves its factor toward its own pole, and both together, for every group."""
    yield from _head(["factor", "persona", *result.groups, "vectors' rise of all agreement"])
    vectors = next(iter(result.groups.values()))
    for name, factor in factors.items():
        for pole, _ in factor.poles:
            cells = [str(group.own[pole]) for group in result.groups.values()]
            yield _row([name, f"`{pole}`", *cells, f"{vectors.agreeing[pole]:.2f}"])
        both = [str(group.own_contrasts[name]) for group in result.groups.values()]
        yield _row([name, "high less low", *both, ""])


def _contrast_table(result: IpipResult) -> Iterator[str]:
    """Yield the unsteered scores, and for each factor's personas by vector the high one's less the low one's."""
    yield from _head(["high less low, vectors", *result.unsteered])
    for name, scores in next(iter(result.groups.values())).contrasts.items():
        yield _row(
            [name, *(f"**{value:.2f}**" if other == name else f"{value:.2f}" for other, value in scores.items())]
        )
    yield _row(["unsteered score", *(str(score) for score in result.unsteered.values())])


def _head(cells: list[str]) -> Iterable[str]:
    return _row(cells), "|" + "---|" * len(cells)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    command()
