"""`persona-steer demo`: goes the whole path on the embedded model, from extraction to steered replies."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from persona_core.cli.app import App, say
from persona_core.cli.extracting import extract_and_show_everything, extract_and_show_personas
from persona_core.cli.file_lines import workspace_lines
from persona_core.extraction.new_workspace import make_workspace
from persona_core.plugins.opening import get_config
from persona_core.settings.config import Config
from persona_core.settings.workspace import Workspace

if TYPE_CHECKING:
    from persona_core.engine.engine import Reply
    from persona_core.model.wrapper import ModelWrapper

MODEL = "smollm2"
LIVE = "sage"
QUESTION = "My neighbour plays loud music every night. What should I do?"
TOKENS = 64


@click.command("demo")
@click.option("--full", is_flag=True, help="Extract both axes and all five personas anew (minutes).")
@click.option("--question", default=QUESTION, show_default=True, help="What every persona is asked.")
@click.pass_obj
def command(app: App, full: bool, question: str) -> None:
    """Show the embedded model speaking as five personas.

    The safety floor is held, and each reply has its receipt.

    Works in a temporary folder unless --workspace is given before `demo`.

    \b
    Example:
      persona-steer demo
      persona-steer --workspace my-personas demo --full
    """
    folder = app.folder or Path(tempfile.mkdtemp(prefix="persona-steer-"))
    workspace = Workspace(folder.absolute())
    config = get_config(workspace, model=MODEL, plugins=app.plugins)
    click.echo("\n".join(workspace_lines(make_workspace(config), workspace)))
    names = config.extraction.reference_archetypes
    model = app.model(config)
    manager = app.manager(config)
    if full:
        extract_and_show_everything(model, manager, names)
    else:
        say(f"\nExtracting {LIVE} here and now; the other vectors are bundled.")
        extract_and_show_personas(model, manager, [LIVE])
    show_replies(question, replies(model, config, app, question, names))
    show_next(folder)


def replies(
    model: ModelWrapper, config: Config, app: App, question: str, names: Sequence[str]
) -> list[tuple[str, Reply]]:
    """Answer one question unsteered and as each persona, in one batch."""
    from persona_core.engine.engine import SteeringEngine
    from persona_core.model.decoding import Sampling

    say("\nAnswering one question unsteered and as each persona ...")
    engine = SteeringEngine(model, app.manager(config))
    sampling = Sampling(TOKENS, config.generation.temperature, config.generation.top_p)
    personas = [None, *names]
    answers = engine.generate([question] * len(personas), personas, sampling=sampling)
    return list(zip(["unsteered", *names], answers, strict=True))


def show_replies(question: str, answers: Sequence[tuple[str, Reply]]) -> None:
    """Print the replies side by side, each with its receipt."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=question, show_lines=True)
    for column, width in (("who", 10), ("reply", 60), ("receipt", 36)):
        table.add_column(column, min_width=min(width, 20), max_width=width, overflow="fold")
    for name, reply in answers:
        table.add_row(name, reply.text.strip(), reply.receipt.line())
    console = Console()
    console.print(table, width=None if console.is_terminal else 112)


def show_next(folder: Path) -> None:
    """Print the three commands to try next."""
    start = f"persona-steer --workspace {folder}"
    click.echo("Try next:")
    click.echo(f"  {start} chat --persona trickster")
    click.echo(f'  {start} generate "What is fire?" --blend sage:0.5,creator:0.5')
    click.echo(f'  {start} create pirate --description "a grumpy pirate captain who loves the sea"')
