"""`persona-steer chat`: a conversation whose persona, strength and safety can change at any turn."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from persona_core.cli.app import App, model_option, read_stdin, say
from persona_core.cli.chat_state import ChatState, Leave, run_command
from persona_core.cli.generate import show
from persona_core.cli.steering_options import SteeringOptions, steering_options
from persona_core.errors import PersonaError

if TYPE_CHECKING:
    from persona_core.steering_engine import SteeringEngine


@click.command("chat")
@steering_options
@model_option
@click.pass_obj
def command(app: App, options: SteeringOptions, model: str | None) -> None:
    """Chat with a steered model. `/help` lists the commands; Ctrl-C stops a reply, Ctrl-D leaves.

    \b
    Example:
      persona-steer chat --persona trickster
    """
    app.model_name = model
    manager = app.manager()
    options.check(manager)
    engine = app.engine(manager)
    config = manager.config
    state = ChatState(
        manager, options.personas(), options.strength_in(config), options.safety_on(config),
        options.sampling(config), options.seed,
    )  # fmt: skip
    engine.plan(state.steering())
    say(f"{engine.model.identity.name} on {engine.model.device}; {state.status()}; /help lists the commands")
    converse(engine, state, reader())


def converse(engine: SteeringEngine, state: ChatState, read: Callable[[], str]) -> None:
    """Read lines and answer them until the end of input or /quit."""
    while True:
        try:
            line = read().strip()
            if line.startswith("/"):
                click.echo(run_command(state, line))
            elif line:
                answer(engine, state, line)
        except PersonaError as error:
            click.echo(f"Error: {error}", err=True)
        except KeyboardInterrupt:
            say("(Ctrl-D or /quit leaves)")
        except (EOFError, Leave):
            return


def answer(engine: SteeringEngine, state: ChatState, line: str) -> None:
    """Answer one message; what was said stays in the conversation even when Ctrl-C stops it."""
    messages = [*state.messages, {"role": "user", "content": line}]
    stream = engine.stream(
        messages,
        state.personas,
        strength=state.strength,
        safety=state.safety,
        sampling=state.sampling,
        seed=state.next_seed(),
        history=state.history,
    )
    show(stream)
    reply = stream.reply
    state.add_turn(line, reply)
    say(f"[{reply.receipt.line()}]")


def reader() -> Callable[[], str]:
    """Return a line editor in a terminal, and plain reading through a pipe."""
    if not sys.stdin.isatty():
        return _read_plain
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(history=InMemoryHistory())
    return lambda: session.prompt("> ")


def _read_plain() -> str:
    line = read_stdin(sys.stdin.readline)
    if not line:
        raise EOFError
    return line
