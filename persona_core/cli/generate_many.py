"""Many replies of `persona-steer generate`: several personas or seeds for one prompt, or many prompts, in batches."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from persona_core.base.files import read_text
from persona_core.cli.app import App, progress_bar, read_stdin, say, waiting
from persona_core.cli.steering_options import SteeringOptions
from persona_core.errors import PromptError
from persona_core.personas.manager import PersonaManager
from persona_core.steering.blending import parse_blend

if TYPE_CHECKING:
    from persona_core.engine.engine import Reply, SteeringEngine

_BATCH = 16


@dataclass(frozen=True)
class ReplyRequest:
    """One reply to make: the prompt, persona -> weight, the seed, and a heading for it."""

    prompt: str
    personas: Mapping[str, float]
    seed: int
    heading: str = ""


def side_by_side(
    app: App, manager: PersonaManager, options: SteeringOptions, text: str, compare: str | None, n: int, as_json: bool
) -> None:
    """Print replies to one prompt: `n` seeds for each persona of `compare`, or for the persona of the options."""
    weights = compared(manager, compare) if compare else {"": options.personas()}
    requests = [
        ReplyRequest(text, personas, seed, ", ".join(filter(None, (label, f"seed {seed}" if n > 1 else ""))))
        for label, personas in weights.items()
        for seed in range(options.seed, options.seed + n)
    ]
    with waiting("loading the model"):
        engine = app.engine(manager)
    with waiting(f"making {len(requests)} replies"):
        replies = _generate(engine, options, requests)
    if as_json:
        click.echo(json.dumps([as_data(reply) for reply in replies], indent=2))
        return
    for request, reply in zip(requests, replies, strict=True):
        click.echo(f"[{request.heading}]")
        click.echo(f"{reply.text.strip()}\n")
        say(f"[{reply.receipt.line()}]")


def from_lines(app: App, manager: PersonaManager, options: SteeringOptions, source: str) -> None:
    """Print one JSON object a prompt, in order, batch by batch; Ctrl-C keeps the batches that were finished."""
    text = read_stdin(sys.stdin.read) if source == "-" else read_text(Path(source))
    requests = list(_read(text, source, manager, options))
    if not requests:
        raise PromptError(f"{source} holds no prompt: write one JSON string or object a line")
    engine = app.engine(manager)
    with progress_bar() as progress:
        for start in range(0, len(requests), _BATCH):
            progress("replies", start, len(requests))
            batch = requests[start : start + _BATCH]
            for request, reply in zip(batch, _generate(engine, options, batch), strict=True):
                click.echo(json.dumps({"prompt": request.prompt, **as_data(reply)}, ensure_ascii=False))
            sys.stdout.flush()
        progress("replies", len(requests), len(requests))


def compared(manager: PersonaManager, text: str) -> dict[str, dict[str, float]]:
    """Return label -> weights for names separated by commas; raise `VectorNotFound` for one that is not extracted."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name != "none":
            manager.require(name)
    return {name: {} if name == "none" else {name: 1.0} for name in names}


def as_data(reply: Reply) -> dict[str, Any]:
    """Return a reply as JSON data."""
    return {"text": reply.text, "receipt": reply.receipt.model_dump(mode="json")}


def _generate(engine: SteeringEngine, options: SteeringOptions, requests: Sequence[ReplyRequest]) -> list[Reply]:
    config = engine.config
    return engine.generate(
        [options.messages(engine.manager, request.prompt, request.personas) for request in requests],
        [options.request(config, request.personas) for request in requests],
        sampling=options.sampling(config),
        seed=[request.seed for request in requests],
    )


def _read(text: str, source: str, manager: PersonaManager, options: SteeringOptions) -> Iterator[ReplyRequest]:
    """Yield a request for each line that is not empty; the seed rises by one with each."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    for seed, (number, line) in enumerate(lines, start=options.seed):
        where = f"{source}, line {number}"
        entry = _entry(line, where)
        yield ReplyRequest(entry["prompt"], _personas(entry.get("persona"), where, manager, options), seed)


def _entry(line: str, where: str) -> dict[str, Any]:
    """Return a line's object, in which a prompt is sure to be; a string alone is the prompt."""
    try:
        data = json.loads(line)
    except ValueError as error:
        raise PromptError(f"{where}: not JSON ({error}); write one string or object a line") from error
    entry = {"prompt": data} if isinstance(data, str) else data
    prompt = entry.get("prompt") if isinstance(entry, dict) else None
    if not isinstance(prompt, str) or not prompt.strip():
        raise PromptError(f'{where}: no prompt; write "a question" or {{"prompt": "a question"}}')
    return dict(entry)


def _personas(text: object, where: str, manager: PersonaManager, options: SteeringOptions) -> dict[str, float]:
    """Return the weights that a line asks for, or those of the options where it asks for none."""
    if text is None:
        return options.personas()
    if not isinstance(text, str):
        raise PromptError(f"{where}: persona is {text!r}; write a name, a blend or none")
    weights = {} if text == "none" else parse_blend(text) if ":" in text else {text: 1.0}
    for name in weights:
        manager.require(name)
    return weights
