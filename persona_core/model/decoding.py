"""Decoding: generate tokens for a batch of rows, one forward a token, each row with its own plan and random stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from persona_core.errors import SteeringError
from persona_core.model.batching import Batch, begin
from persona_core.model.guidance import mixed
from persona_core.model.steps import EagerSteps, KeptCache, Steps
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.layer import ArmedLayer, arm
from persona_core.steering.plan import SteeringPlan

_TOP = 512
"""How many of the likeliest tokens are sorted first: they nearly always hold the whole top-p mass."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are picked. Temperature 0 is greedy; otherwise a row's seed decides every token."""

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
    """One sequence of a batch: its prompt, its steering plan, the reply's tokens so far, and why the reply ended."""

    prompt: Sequence[int]
    plan: SteeringPlan
    seed: int = 0
    tokens: list[int] = field(default_factory=list)
    finish: str = ""

    @property
    def live(self) -> bool:
        """Whether the reply has not ended yet."""
        return not self.finish


@dataclass(frozen=True)
class _RunningRow:
    """A row whose reply has not ended, with its random stream."""

    row: Row
    random: torch.Generator


def generate_tokens(
    model: ModelWrapper,
    rows: Sequence[Row],
    sampling: Sampling,
    *,
    armed: Mapping[int, ArmedLayer] | None = None,
    kept: KeptCache | None = None,
) -> Iterator[list[int | None]]:
    """Generate tokens step by step; yield each row's new token, or None for a row that has ended.

    Each row gets the reply that it would get alone. The caller may close the generator at any time. The loop extends
    `kept` in place (one row only), and leaves the tallies in `armed` (see `arm_rows`). Raises `SafetyUnavailable` when
    a floor is not held.
    """
    armed = arm_rows(model, rows) if armed is None else armed
    running = [_RunningRow(row, torch.Generator().manual_seed(row.seed)) for row in rows]
    batch = _prompts(model, rows, armed) if kept is None else _new_part(model, rows[0], kept)
    steps: Steps = EagerSteps(model, batch, armed, kept, sampling.max_new_tokens)
    try:
        for _ in range(sampling.max_new_tokens):
            picked = pick(_predicted(steps, running), sampling, [running_row.random for running_row in running])
            for running_row, token in zip(running, picked, strict=True):
                _append(model, running_row.row, token, sampling)
            yield _new_tokens(rows, running)
            live = [index for index, running_row in enumerate(running) if running_row.row.live]
            if not live:
                return
            steps = steps.go_on(_by_lane(picked, running), _live_lanes(live, running))
            running = [running[index] for index in live]
    finally:
        steps.close()


def arm_rows(model: ModelWrapper, rows: Sequence[Row]) -> dict[int, ArmedLayer]:
    """Return layer -> the steering of every lane of the rows there, with empty tallies."""
    return arm([lane for row in rows for lane in row.plan.lanes], model.device)


def lanes_of(rows: Sequence[Row]) -> list[range]:
    """Return, for each row, the lanes that it has among those of all rows; its last lane is the steered one."""
    return [range(start, end) for start, end in pairwise(accumulate((row.plan.n_lanes for row in rows), initial=0))]


def _predicted(steps: Steps, running: Sequence[_RunningRow]) -> Float[Tensor, "rows vocab"]:
    """Run the next forward and return the logits that each row's token is picked from."""
    return mixed(steps.logits()[:, -1], [running_row.row.plan for running_row in running])


def _by_lane(tokens: Sequence[int], running: Sequence[_RunningRow]) -> list[int]:
    """Repeat each row's token for each of its lanes."""
    return [
        token for token, running_row in zip(tokens, running, strict=True) for _ in range(running_row.row.plan.n_lanes)
    ]


def _live_lanes(live: Sequence[int], running: Sequence[_RunningRow]) -> list[int]:
    """Return the lanes of the rows that are live."""
    lanes = lanes_of([running_row.row for running_row in running])
    return [lane for index in live for lane in lanes[index]]


def pick(logits: Float[Tensor, "rows vocab"], sampling: Sampling, streams: Sequence[torch.Generator]) -> list[int]:
    """Pick one token a row: the likeliest at temperature 0, else by inverse transform within the top-p mass."""
    if sampling.temperature == 0:
        return [int(token) for token in logits.argmax(-1)]
    probabilities = torch.softmax(logits.float() / sampling.temperature, -1).cpu()
    uniform = torch.cat([torch.rand(1, generator=stream, dtype=torch.float64) for stream in streams])
    order = None
    if sampling.top_p < 1:
        probabilities, order = _nucleus(probabilities, sampling.top_p)
    cumulative = probabilities.double().cumsum(-1)
    ranks = torch.searchsorted(cumulative, (uniform * cumulative[:, -1]).unsqueeze(-1))
    ranks = ranks.clamp_max(probabilities.shape[1] - 1)
    tokens: Int[Tensor, "rows 1"] = ranks if order is None else order.gather(1, ranks)
    return [int(token) for token in tokens[:, 0]]


def _nucleus(probabilities: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Return the likeliest tokens' probabilities in descending order, zero beyond the top-p mass, and their ids."""
    likely, order = probabilities.topk(min(_TOP, probabilities.shape[1]), dim=-1)
    if bool((likely.sum(-1) < top_p).any()):
        likely, order = probabilities.sort(dim=-1, descending=True)
    before = likely.cumsum(-1) - likely
    return likely.masked_fill(before >= top_p, 0), order


def _prompts(model: ModelWrapper, rows: Sequence[Row], armed: Mapping[int, ArmedLayer]) -> Batch:
    """Return the prompts as a batch, in which the beginnings that rows of one plan share have already run."""
    return begin_lanes(model, rows, [len(row.prompt) - 1 for row in rows], armed)


def begin_lanes(
    model: ModelWrapper, rows: Sequence[Row], limits: Sequence[int], armed: Mapping[int, ArmedLayer]
) -> Batch:
    """Return the lanes of the rows as a batch. Row `i` shares at most its first `limits[i]` tokens (see `begin`)."""
    lanes = [(row.prompt, limit, plan) for row, limit in zip(rows, limits, strict=True) for plan in row.plan.lanes]
    prompts, lane_limits, plans = zip(*lanes, strict=True)
    return begin(model, prompts, lane_limits, armed=armed, steering_keys=[plan.steering_key() for plan in plans])


def _new_part(model: ModelWrapper, row: Row, kept: KeptCache) -> Batch:
    """Return the prompt's tokens that the kept cache does not hold, as a batch."""
    ids, mask = model.pad([row.prompt] * row.plan.n_lanes)
    return Batch.at_start(ids[:, len(kept.tokens) :], mask, kept.cache)


def _append(model: ModelWrapper, row: Row, token: int, sampling: Sampling) -> None:
    row.tokens.append(token)
    row.finish = _finish(model, row, token, sampling)


def _new_tokens(rows: Sequence[Row], running: Sequence[_RunningRow]) -> list[int | None]:
    """Return each row's new token, or None for the rows that had ended before."""
    newest = {id(running_row.row): running_row.row.tokens[-1] for running_row in running}
    return [newest.get(id(row)) for row in rows]


def _finish(model: ModelWrapper, row: Row, token: int, sampling: Sampling) -> str:
    """Return why the reply ends with this token; empty if it goes on."""
    if token in model.end_tokens:
        return "end"
    if len(row.prompt) + len(row.tokens) >= model.context_length:
        return "context"
    return "length" if len(row.tokens) >= sampling.max_new_tokens else ""
