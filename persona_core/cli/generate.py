"""`persona-steer generate`: prints one steered reply, or hands many to `generate_many`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from persona_core.cli import generate_many as many
from persona_core.cli.app import App, json_option, model_option, read_stdin, say, waiting
from persona_core.cli.steering_options import SteeringOptions, steering_options
from persona_core.errors import PromptError

if TYPE_CHECKING:
    from persona_core.engine.engine import ReplyStream
    from persona_core.personas.manager import PersonaManager


@click.command("generate")
@click.argument("prompt", required=False)
@steering_options
@click.option("--compare", help="The same prompt and seed as several personas: sage,trickster,none.")
@click.option(
    "--n", "n_replies", type=click.IntRange(1, 256), default=1, show_default=True, help="Replies, a seed each."
)
@click.option("--input", "source", help="Many prompts: a file of JSON lines, or - for standard input.")
@json_option
@model_option
@click.pass_obj
def command(
    app: App, prompt: str | None, options: SteeringOptions, compare: str | None, n_replies: int, source: str | None,
    as_json: bool, model: str | None,
) -> None:  # fmt: skip
    """Print a steered reply, or many.

    One reply is printed as it is made, and its receipt follows on stderr. PROMPT `-` reads standard input.

    A line of --input is a string, or an object with `prompt` and perhaps `persona` (a name, a blend or none); the
    results come in its order, one JSON object a line.

    \b
    Example:
      persona-steer generate "What makes a good life?" --persona sage --strength 1.0
      echo "Tell me a story." | persona-steer generate - --blend sage:0.5,trickster:0.5 --json
      persona-steer generate "What is luck?" --compare sage,trickster,none
      persona-steer generate --input prompts.jsonl --persona sage > replies.jsonl
    """
    app.model_name = model
    if (prompt is None) == (source is None):
        raise click.UsageError("give a PROMPT, or --input with many")
    if source is not None and (compare or n_replies > 1):
        raise click.UsageError("--compare and --n take one PROMPT, not --input")
    manager = app.manager()
    options.check(manager)
    if source is not None:
        many.from_lines(app, manager, options, source)
    elif compare or n_replies > 1:
        many.side_by_side(app, manager, options, prompt_text(str(prompt)), compare, n_replies, as_json)
    else:
        _one(app, manager, options, prompt_text(str(prompt)), as_json)


def _one(app: App, manager: PersonaManager, options: SteeringOptions, text: str, as_json: bool) -> None:
    with waiting("loading the model"):
        engine = app.engine(manager)
    config, personas = manager.config, options.personas()
    stream = engine.stream(
        options.messages(manager, text, personas),
        options.request(config, personas),
        sampling=options.sampling(config),
        seed=options.seed,
    )
    stopped = show(stream, quiet=as_json)
    reply = stream.reply
    if as_json:
        click.echo(json.dumps(many.as_data(reply), indent=2))
    else:
        say(f"[{reply.receipt.line()}]")
    if stopped:
        sys.exit(130)


def prompt_text(prompt: str) -> str:
    """Return the prompt, or standard input for `-`; raise `PromptError` where it is empty or not UTF-8 text."""
    text = read_stdin(sys.stdin.read) if prompt == "-" else prompt
    if not text.strip():
        raise PromptError("the prompt is empty: write a question, or `-` to read one from standard input")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise PromptError("the prompt is not UTF-8 text")
    return text


def show(stream: ReplyStream, quiet: bool = False) -> bool:
    """Print pieces as they come; tell whether Ctrl-C stopped the reply. Before the first token it is no reply."""
    try:
        for piece in _announced(stream):
            if not quiet:
                click.echo(piece, nl=False)
                sys.stdout.flush()
    except KeyboardInterrupt:
        if not stream.row.tokens:
            raise
        return True
    finally:
        if not quiet:
            click.echo()
    return False


def _announced(stream: ReplyStream) -> Iterator[str]:
    """Yield a reply's pieces; until the first one comes, show that the prompt is being read."""
    pieces = iter(stream)
    with waiting(f"reading {stream.unread} tokens"):
        first = next(pieces, "")
    yield first
    yield from pieces
