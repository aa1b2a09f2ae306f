"""`persona-steer generate`: one steered reply."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from persona_core.cli.app import App, json_option, model_option, read_stdin, say
from persona_core.cli.steering_options import SteeringOptions, steering_options
from persona_core.errors import PromptError

if TYPE_CHECKING:
    from persona_core.steering_engine import ReplyStream


@click.command("generate")
@click.argument("prompt")
@steering_options
@json_option
@model_option
@click.pass_obj
def command(app: App, prompt: str, options: SteeringOptions, as_json: bool, model: str | None) -> None:
    """Print one reply as it is made; the receipt follows on stderr. PROMPT `-` reads standard input.

    \b
    Example:
      persona-steer generate "What makes a good life?" --persona sage --strength 1.0
      echo "Tell me a story." | persona-steer generate - --blend sage:0.5,trickster:0.5 --json
    """
    app.model_name = model
    text = prompt_text(prompt)
    manager = app.manager()
    options.check(manager)
    engine = app.engine(manager)
    config = manager.config
    stream = engine.stream(
        text,
        options.personas(),
        strength=options.strength_in(config),
        safety=options.safety_on(config),
        sampling=options.sampling(config),
        seed=options.seed,
    )
    stopped = show(stream, quiet=as_json)
    reply = stream.reply
    if as_json:
        click.echo(json.dumps({"text": reply.text, "receipt": reply.receipt.model_dump(mode="json")}, indent=2))
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
        for piece in stream:
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
