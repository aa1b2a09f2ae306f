"""`persona-steer eval`: measures whether steering works, what it costs and whether the floor holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from persona_core.base.files import write_atomically
from persona_core.cli.app import App, json_option, model_option, progress_bar, say

if TYPE_CHECKING:
    from persona_core.evaluation.report import EvaluationReport

QUICK = {"questions": 4, "blend_questions": 2, "dose_questions": 1, "conversations": 2, "tokens": 24}


@click.command("eval")
@click.argument("names", nargs=-1)
@click.option("--part", "parts", multiple=True, help="Measure this part alone; may be given more than once.")
@click.option("--judge", default="log-prob", show_default=True, help="Who reads the replies; see `plugins`.")
@click.option("--prompts", "prompt_sets", multiple=True, help="Prompt sets to use; all registered ones by default.")
@click.option("--questions", type=click.IntRange(2, 1000), help="Held-out questions.  [default: 20]")
@click.option("--dose-questions", type=click.IntRange(1, 1000), help="Questions at each strength.  [default: 2]")
@click.option("--conversations", type=click.IntRange(2, 10), help="Conversations that are held.  [default: 10]")
@click.option("--tokens", type=click.IntRange(4, 4096), help="Tokens of each reply.  [default: 48]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the sampling and the intervals.")
@click.option("--quick", is_flag=True, help="A few questions and short replies: minutes, and wide intervals.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write a page with plots.")
@json_option
@model_option
@click.pass_obj
def command(
    app: App,
    names: tuple[str, ...],
    parts: tuple[str, ...],
    judge: str,
    prompt_sets: tuple[str, ...],
    questions: int | None,
    dose_questions: int | None,
    conversations: int | None,
    tokens: int | None,
    seed: int,
    quick: bool,
    page: Path | None,
    as_json: bool,
    model: str | None,
) -> None:
    """Measure whether steering works, and what it costs.

    The parts are stability, effect, conversations, voices, neutral, safety, blends and doses, with controls in the same
    run. Works offline. A killed run goes on where it was. The report is kept in the workspace under evaluations/.

    \b
    Example:
      persona-steer eval --quick
      persona-steer eval --html report.html
      persona-steer eval sage trickster --part effect --questions 40
    """
    from persona_core.evaluation.request import EvaluationRequest, judging_personas, measure
    from persona_core.reports.plots.figure import check_matplotlib

    if page is not None:
        check_matplotlib()
    app.model_name = model
    given = {
        "questions": questions, "dose_questions": dose_questions, "conversations": conversations, "tokens": tokens,
    }  # fmt: skip
    size = (QUICK if quick else {}) | {key: value for key, value in given.items() if value is not None}
    manager = app.manager()
    request = EvaluationRequest(judging_personas(manager, names), parts, judge, prompt_sets, size, seed)
    with progress_bar() as progress:
        report = measure(request, manager, lambda: app.model(manager.config), progress)
    if page is not None:
        write_page(report, page)
    show(report, as_json)


def write_page(report: EvaluationReport, page: Path) -> None:
    """Write the report as one HTML file."""
    from persona_core.reports.page import html

    write_atomically(page, html(report))
    say(f"wrote {page}")


def show(report: EvaluationReport, as_json: bool) -> None:
    """Print the report."""
    if as_json:
        click.echo(report.model_dump_json(indent=2))
        return
    from rich.console import Console

    from persona_core.reports.terminal import WIDTH, tables

    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    for table in tables(report, console.width):
        console.print(table)
