"""The decoding loop: one forward a token for a batch of rows, each with its own plan and its own random stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from persona_core.errors import SteeringError
from persona_core.model.batching import Batch, begin
from persona_core.model.steps import EagerSteps, KeptCache, Steps
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.layer import ArmedLayer, arm
from persona_core.steering.plan import SteeringPlan

_TOP = 512


@dataclass(frozen=True)
class Sampling:
    """How tokens are picked. Temperature 0 is greedy; a row's seed is the only source of chance."""

    max_new_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise SteeringError(f"max_new_tokens is {self.max_new_tokens}: use 1 or more")
        if not 0 <= self.temperature <= 2:
            raise SteeringError(f"temperature {self.temperature:g} is out of range: use 0.0-2.0")
        if not 0 < self.top_p <= 1:
            raise SteeringError(f"top_p {self.top_p:g} is out of range: use a number above 0 and up to 1")


@dataclass
class Row:
    """One sequence of a batch: its prompt, what is done to it, and what came out so far."""

    prompt: Sequence[int]
    plan: SteeringPlan
    seed: int = 0
    tokens: list[int] = field(default_factory=list)
    finish: str = ""

    @property
    def live(self) -> bool:
        """Tell whether the row goes on."""
        return not self.finish


@dataclass(frozen=True)
class _Running:
    """A row that has not ended, with its random stream."""

    row: Row
    chance: torch.Generator


def generate_tokens(
    model: ModelWrapper,
    rows: Sequence[Row],
    sampling: Sampling,
    *,
    armed: Mapping[int, ArmedLayer] | None = None,
    kept: KeptCache | None = None,
) -> Iterator[list[int | None]]:
    """Yield one step at a time: each row's new token, or None where the row has ended.

    Every row has its own plan, and comes out as it would alone. The loop may be closed at any moment. `kept`
    (one row only) is extended in place; `armed` (see `arm_rows`) holds the tallies afterwards. Raises
    `SafetyUnavailable` where a floor does not hold.
    """
    armed = arm_rows(model, rows) if armed is None else armed
    running = [_Running(row, torch.Generator().manual_seed(row.seed)) for row in rows]
    batch = _prompts(model, rows, armed) if kept is None else _after(model, rows[0], kept)
    steps: Steps = EagerSteps(model, batch, armed, kept, sampling.max_new_tokens)
    try:
        for _ in range(sampling.max_new_tokens):
            picked = pick(steps.logits()[:, -1], sampling, [each.chance for each in running])
            for each, token in zip(running, picked, strict=True):
                _take(model, each.row, token, sampling)
            yield _step(rows, running)
            live = [place for place, each in enumerate(running) if each.row.live]
            if not live:
                return
            steps, running = steps.go_on(picked, live), [running[place] for place in live]
    finally:
        steps.close()


def arm_rows(model: ModelWrapper, rows: Sequence[Row]) -> dict[int, ArmedLayer]:
    """Return layer -> what the rows' plans do there, with empty tallies."""
    return arm([row.plan for row in rows], model.device)


def pick(logits: Float[Tensor, "rows vocab"], sampling: Sampling, chances: Sequence[torch.Generator]) -> list[int]:
    """Pick one token a row: the likeliest at temperature 0, else by inverse transform within the top-p mass."""
    if sampling.temperature == 0:
        return [int(token) for token in logits.argmax(-1)]
    odds = torch.softmax(logits.float() / sampling.temperature, -1).cpu()
    uniform = torch.cat([torch.rand(1, generator=chance, dtype=torch.float64) for chance in chances])
    order = None
    if sampling.top_p < 1:
        odds, order = _nucleus(odds, sampling.top_p)
    reached = odds.double().cumsum(-1)
    places = torch.searchsorted(reached, (uniform * reached[:, -1]).unsqueeze(-1)).clamp_max(odds.shape[1] - 1)
    chosen: Int[Tensor, "rows 1"] = places if order is None else order.gather(1, places)
    return [int(token) for token in chosen[:, 0]]


def _nucleus(odds: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Return the likeliest tokens' odds, zero beyond the top-p mass, and which tokens they are."""
    likely, order = odds.topk(min(_TOP, odds.shape[1]), dim=-1)
    if bool((likely.sum(-1) < top_p).any()):
        likely, order = odds.sort(dim=-1, descending=True)
    before = likely.cumsum(-1) - likely
    return likely.masked_fill(before >= top_p, 0), order


def _prompts(model: ModelWrapper, rows: Sequence[Row], armed: Mapping[int, ArmedLayer]) -> Batch:
    """Return the prompts as a batch; what rows of one plan begin with alike has run."""
    limits = [len(row.prompt) - 1 for row in rows]
    return begin(model, [row.prompt for row in rows], limits, armed=armed, kinds=[row.plan.kind() for row in rows])


def _after(model: ModelWrapper, row: Row, kept: KeptCache) -> Batch:
    """Return a batch of the prompt's tokens that the kept cache does not hold."""
    ids, mask = model.pad([row.prompt])
    return Batch.at_start(ids[:, len(kept.tokens) :], mask, kept.cache)


def _take(model: ModelWrapper, row: Row, token: int, sampling: Sampling) -> None:
    row.tokens.append(token)
    row.finish = _finish(model, row, token, sampling)


def _step(rows: Sequence[Row], running: Sequence[_Running]) -> list[int | None]:
    """Return each row's new token, or None for the rows that had ended before."""
    new = {id(each.row): each.row.tokens[-1] for each in running}
    return [new.get(id(row)) for row in rows]


def _finish(model: ModelWrapper, row: Row, token: int, sampling: Sampling) -> str:
    if token in model.end_tokens:
        return "end"
    if len(row.prompt) + len(row.tokens) >= model.context_length:
        return "context"
    return "length" if len(row.tokens) >= sampling.max_new_tokens else ""
