"""What `generate` does with more than one reply: several personas, several seeds, or many prompts, in batches."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from persona_core.base.files import read_text
from persona_core.cli.app import App, progress_bar, read_stdin, say
from persona_core.cli.steering_options import SteeringOptions
from persona_core.errors import PromptError
from persona_core.personas.manager import PersonaManager
from persona_core.steering.blending import parse_blend

if TYPE_CHECKING:
    from persona_core.engine.engine import Reply, SteeringEngine

_BATCH = 16
Wanted = tuple[str, dict[str, float]]
"""(prompt, persona -> weight)."""


def side_by_side(
    app: App, manager: PersonaManager, options: SteeringOptions, text: str, compare: str | None, n: int, as_json: bool
) -> None:
    """Print replies to one prompt: each persona of `compare` with the same seed, `n` times with a seed each."""
    asked = compared(manager, compare) if compare else {"": options.personas()}
    wanted = [(label, personas, options.seed + place) for label, personas in asked.items() for place in range(n)]
    engine = app.engine(manager)
    replies = _generate(engine, options, [(text, personas) for _, personas, _ in wanted], [seed for *_, seed in wanted])
    if as_json:
        click.echo(json.dumps([as_data(reply) for reply in replies], indent=2))
        return
    for (label, _, seed), reply in zip(wanted, replies, strict=True):
        click.echo(f"[{', '.join(part for part in (label, f'seed {seed}' if n > 1 else '') if part)}]")
        click.echo(f"{reply.text.strip()}\n")
        say(f"[{reply.receipt.line()}]")


def from_lines(app: App, manager: PersonaManager, options: SteeringOptions, source: str) -> None:
    """Print one JSON object a prompt, in order, batch by batch; what is finished is printed when Ctrl-C stops it."""
    text = read_stdin(sys.stdin.read) if source == "-" else read_text(Path(source))
    wanted = list(_read(text, source, manager, options))
    if not wanted:
        raise PromptError(f"{source} holds no prompt: write one JSON string or object a line")
    engine = app.engine(manager)
    with progress_bar() as progress:
        for start in range(0, len(wanted), _BATCH):
            progress("replies", start, len(wanted))
            batch = wanted[start : start + _BATCH]
            seeds = [options.seed + start + place for place in range(len(batch))]
            for (prompt, _), reply in zip(batch, _generate(engine, options, batch, seeds), strict=True):
                click.echo(json.dumps({"prompt": prompt, **as_data(reply)}, ensure_ascii=False))
            sys.stdout.flush()
        progress("replies", len(wanted), len(wanted))


def compared(manager: PersonaManager, text: str) -> dict[str, dict[str, float]]:
    """Return label -> weights for names separated by commas; raise where one is not there."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name != "none":
            manager.require(name)
    return {name: {} if name == "none" else {name: 1.0} for name in names}


def as_data(reply: Reply) -> dict[str, Any]:
    """Return a reply as JSON data."""
    return {"text": reply.text, "receipt": reply.receipt.model_dump(mode="json")}


def _generate(
    engine: SteeringEngine, options: SteeringOptions, wanted: Sequence[Wanted], seeds: Sequence[int]
) -> list[Reply]:
    config = engine.config
    return engine.generate(
        [options.messages(engine.manager, prompt, personas) for prompt, personas in wanted],
        [options.request(config, personas) for _, personas in wanted],
        sampling=options.sampling(config),
        seed=seeds,
    )


def _read(text: str, source: str, manager: PersonaManager, options: SteeringOptions) -> Iterator[Wanted]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield _wanted(line, f"{source}, line {number}", manager, options)


def _wanted(line: str, where: str, manager: PersonaManager, options: SteeringOptions) -> Wanted:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise PromptError(f"{where}: not JSON ({error}); write one string or object a line") from error
    entry = {"prompt": data} if isinstance(data, str) else data
    prompt = entry.get("prompt") if isinstance(entry, dict) else None
    if not isinstance(prompt, str) or not prompt.strip():
        raise PromptError(f'{where}: no prompt; write "a question" or {{"prompt": "a question"}}')
    return prompt, _personas(entry.get("persona"), where, manager, options)


def _personas(name: object, where: str, manager: PersonaManager, options: SteeringOptions) -> dict[str, float]:
    if name is None:
        return options.personas()
    if not isinstance(name, str):
        raise PromptError(f"{where}: persona is {name!r}; write a name, a blend or none")
    weights = {} if name == "none" else parse_blend(name) if ":" in name else {name: 1.0}
    for each in weights:
        manager.require(each)
    return weights
