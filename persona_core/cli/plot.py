"""`persona-steer plot`: draws the personas, an evaluation or a conversation as PNG or SVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from persona_core.cli.app import App, Decorator, model_option
from persona_core.personas.manager import PersonaManager

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from persona_core.reports.plots.theme import Theme

dark_option: Decorator[Any] = click.option(
    "--dark/--light", "dark", default=False, help="Colours for a dark or a light page.  [default: light]"
)
report_option: Decorator[Any] = click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An evaluation's report.json; by default the workspace's own for the model.",
)


def output_option(name: str) -> Decorator[Any]:
    """Return the option for the file to write; its suffix is the format."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path(f"{name}.png"),
        show_default=True,
        help="The file to write; its suffix, .png or .svg, is the format.",
    )


@click.group("plot")
def command() -> None:
    """Draw a picture, as PNG or SVG. Needs matplotlib: `python -m pip install "persona-core[plot]"`.

    \b
    Example:
      persona-steer plot space
      persona-steer plot dose -o dose.svg --dark
    """


@command.command("space")
@output_option("space")
@dark_option
@model_option
@click.pass_obj
def space_(app: App, output: Path, dark: bool, model: str | None) -> None:
    """Draw the personas on their first two principal components, with the assistant axis.

    \b
    Example:
      persona-steer plot space -o space.svg
    """
    from persona_core.reports.plots import space

    manager = _manager(app, model)
    _write(output, dark, lambda theme: space.draw(space.read_space(manager), theme))


@command.command("layers")
@output_option("layers")
@dark_option
@model_option
@click.pass_obj
def layers_(app: App, output: Path, dark: bool, model: str | None) -> None:
    """Draw by layer how well the axes separate and how long the personas' directions are.

    \b
    Example:
      persona-steer plot layers --dark
    """
    from persona_core.reports.plots import layers

    manager = _manager(app, model)
    _write(output, dark, lambda theme: layers.draw(layers.read_layers(manager), theme))


@command.command("dose")
@output_option("dose")
@dark_option
@report_option
@model_option
@click.pass_obj
def dose_(app: App, output: Path, dark: bool, report: Path | None, model: str | None) -> None:
    """Draw effect and damage by strength, from an evaluation, or else as calibration measured them.

    \b
    Example:
      persona-steer plot dose --report evaluations/smollm2-135m-instruct/report.json
    """
    from persona_core.reports.plots import dose
    from persona_core.reports.plots.saved_report import dose_figures

    figures = dose_figures(_manager(app, model), report)
    _write(output, dark, lambda theme: dose.draw(figures, theme))


@command.command("drift")
@click.argument("conversation", type=click.Path(path_type=Path, dir_okay=False))
@output_option("drift")
@dark_option
@model_option
@click.pass_obj
def drift_(app: App, conversation: Path, output: Path, dark: bool, model: str | None) -> None:
    """Draw a saved conversation turn by turn on the assistant axis, and its distance to the floor.

    CONVERSATION holds one JSON object a turn with the `receipt` of its reply: what `generate --json` prints.

    \b
    Example:
      persona-steer generate "What is fire?" --persona sage --json >> talk.jsonl
      persona-steer plot drift talk.jsonl
    """
    from persona_core.reports.plots import drift
    from persona_core.reports.plots.conversation import read_conversation

    manager = _manager(app, model)
    receipts = read_conversation(conversation)
    _write(output, dark, lambda theme: drift.draw(receipts, drift.read_band(manager), theme, conversation.name))


@command.command("matrix")
@output_option("matrix")
@dark_option
@report_option
@model_option
@click.pass_obj
def matrix_(app: App, output: Path, dark: bool, report: Path | None, model: str | None) -> None:
    """Draw which persona the replies of each persona sound like, beside those to its system prompt.

    \b
    Example:
      persona-steer plot matrix -o matrix.svg
    """
    from persona_core.reports.plots import matrix
    from persona_core.reports.plots.saved_report import measured_effect, read_report, shown_matrices

    manager = _manager(app, model)
    path = report or manager.workspace.evaluation_report(manager.slug)
    evaluation = read_report(path)
    effect = measured_effect(evaluation, path)
    slug, groups = evaluation.model.slug, shown_matrices(effect)
    _write(output, dark, lambda theme: matrix.draw(slug, effect.personas, groups, effect.unit, theme))


def _write(output: Path, dark: bool, draw: Callable[[Theme], Figure]) -> None:
    """Draw and write a picture, and print where it is."""
    from persona_core.reports.plots import theme
    from persona_core.reports.plots.figure import check_format, write

    check_format(output)
    write(draw(theme.DARK if dark else theme.LIGHT), output)
    click.echo(output)


def _manager(app: App, model: str | None) -> PersonaManager:
    app.model_name = model
    return app.manager()
