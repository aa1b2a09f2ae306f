"""`persona-steer demo`: shows the embedded model speaking as five personas, and then makes a persona from its texts."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from persona_core.cli.app import App, say, waiting
from persona_core.cli.extracting import extract_and_show_everything, extract_and_show_personas
from persona_core.cli.file_lines import workspace_lines
from persona_core.extraction.new_workspace import make_workspace
from persona_core.plugins.opening import get_config
from persona_core.settings.workspace import Workspace

if TYPE_CHECKING:
    from persona_core.engine.engine import Reply
    from persona_core.model.wrapper import ModelWrapper

MODEL = "smollm2"
LIVE = "sage"
UNSTEERED = "unsteered"
QUESTION = "My neighbour plays loud music every night. What should I do?"
SEED = 0
TOKENS = 64


@click.command("demo")
@click.option("--full", is_flag=True, help="Extract both axes and all five personas anew (minutes).")
@click.option("--question", default=QUESTION, show_default=True, help="What every persona is asked.")
@click.pass_obj
def command(app: App, full: bool, question: str) -> None:
    """Show the embedded model speaking as five personas.

    It answers one question unsteered and as each persona, from ready-made vectors, under the safety floor; each reply
    has its receipt. The question and the seed were not chosen for what they bring. Then a persona is extracted here and
    now; Ctrl-C skips that.

    Works in a temporary folder unless --workspace is given before `demo`.

    \b
    Example:
      persona-steer demo
      persona-steer --workspace my-personas demo --full
    """
    folder = app.folder or Path(tempfile.mkdtemp(prefix="persona-steer-"))
    workspace = Workspace(folder.absolute())
    config = get_config(workspace, model=MODEL, plugins=app.plugins)
    with waiting("loading the model"):
        model = app.model(config)
    names = config.extraction.reference_archetypes
    answer_and_show(app, model, question, [UNSTEERED, *names])
    click.echo("\n".join(workspace_lines(make_workspace(config), workspace)))
    try:
        extract(app, model, names if full else [LIVE], everything=full)
        answer_and_show(app, model, question, names if full else [LIVE])
    except KeyboardInterrupt:
        again = "demo --full" if full else f"extract {LIVE}"
        say(f"\nSkipped. `persona-steer --workspace {folder} {again}` goes on where this was stopped.")
    show_next(folder)


def answer_and_show(app: App, model: ModelWrapper, question: str, speakers: Sequence[str]) -> None:
    """Answer one question as each speaker, in one batch, and print the replies."""
    say(f"Answering as {', '.join(speakers)}: {question}\n")
    with waiting("answering"):
        answers = replies(app, model, question, speakers)
    show_replies(answers)


def replies(app: App, model: ModelWrapper, question: str, speakers: Sequence[str]) -> Mapping[str, Reply]:
    """Return speaker -> reply, by the vectors that are there now."""
    from persona_core.engine.engine import SteeringEngine
    from persona_core.model.decoding import Sampling

    config = model.config
    sampling = Sampling(TOKENS, config.generation.temperature, config.generation.top_p)
    personas = [None if speaker == UNSTEERED else speaker for speaker in speakers]
    engine = SteeringEngine(model, app.manager(config))
    answers = engine.generate([question] * len(speakers), personas, sampling=sampling, seed=SEED)
    return dict(zip(speakers, answers, strict=True))


def show_replies(answers: Mapping[str, Reply]) -> None:
    """Print the replies one below the other, each with its receipt."""
    from rich.console import Console

    console = Console(highlight=False)
    whole_lines = not console.is_terminal
    for speaker, reply in answers.items():
        console.print(f"[{speaker}]", style="bold", markup=False)
        console.print(reply.text.strip(), markup=False, soft_wrap=whole_lines)
        console.print(f"[{reply.receipt.line()}]\n", style="dim", markup=False, soft_wrap=whole_lines)


def extract(app: App, model: ModelWrapper, names: Sequence[str], *, everything: bool) -> None:
    """Extract personas here and now; with `everything`, both axes before them."""
    say(f"\nExtracting {', '.join(names)} here and now, as the ready-made vectors were made; Ctrl-C skips it.")
    manager = app.manager(model.config)
    if everything:
        extract_and_show_everything(model, manager, names)
    else:
        extract_and_show_personas(model, manager, names)


def show_next(folder: Path) -> None:
    """Print the three commands to try next."""
    start = f"persona-steer --workspace {folder}"
    click.echo("\nTry next:")
    click.echo(f"  {start} chat --persona trickster")
    click.echo(f'  {start} generate "What is fire?" --blend sage:0.5,creator:0.5')
    click.echo(f'  {start} create pirate --description "a grumpy pirate captain who loves the sea"')
