"""Steps: the forwards of the decoding loop, one token a row each, eager or in the compiled copy.

Both kinds return logits, accept the sampled tokens, and on `close()` finish the tallies and the kept cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from persona_core.model.batching import Batch
from persona_core.model.compiled import CompiledModel, Graph
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.floor_check import FloorCheck, floor_slack, not_held
from persona_core.steering.layer import ArmedLayer

Logits = Float[Tensor, "rows 1 vocab"]


@dataclass
class KeptCache:
    """The key-value cache that one conversation leaves behind, and the tokens it holds.

    `tokens` is empty while a forward runs, so an interrupted forward never leaves a cache that looks valid.
    """

    tokens: list[int]
    cache: Any


@contextmanager
def _extended(kept: KeptCache | None, ids: Int[Tensor, "rows token"]) -> Iterator[None]:
    """Append a forward's tokens to those of the kept cache once the forward has run."""
    held: list[int] = []
    if kept is not None:
        held, kept.tokens = kept.tokens, []
    yield
    if kept is not None:
        kept.tokens = [*held, *ids[0].tolist()]


class Steps(Protocol):
    """Runs the rest of a batch, one token a row at a time."""

    def logits(self) -> Logits:
        """Run the next forward and return its logits; raise `SafetyUnavailable` if a floor is not held."""
        ...

    def go_on(self, tokens: Sequence[int], live: Sequence[int]) -> Steps:
        """Give every running row its new token, drop the rows that are not live, and return the steps that go on."""
        ...

    def close(self) -> None:
        """Finish the tallies and the kept cache."""
        ...


@dataclass
class EagerSteps:
    """Forwards of the wrapped model. `tokens_left` is how many more tokens a row may get."""

    model: ModelWrapper
    batch: Batch
    armed: Mapping[int, ArmedLayer]
    kept: KeptCache | None
    tokens_left: int

    def __post_init__(self) -> None:
        self.floor = FloorCheck.of(self.armed.values())

    def logits(self) -> Logits:
        """Run the next forward and check every floor."""
        with _extended(self.kept, self.batch.ids):
            logits = self.batch.run(self.model, self.armed)
        if self.floor is not None:
            self.floor.check()
        self.tokens_left -= 1
        return logits

    def go_on(self, tokens: Sequence[int], live: Sequence[int]) -> Steps:
        """Shrink the batch if rows have ended, and hand over to the compiled copy once that is worthwhile."""
        if len(live) < len(tokens):
            self.batch = self.batch.select(live)
            self.armed = {layer: steering.select(live) for layer, steering in self.armed.items()}
            self.floor = FloorCheck.of(self.armed.values())
        self.batch = self.batch.then([tokens[index] for index in live])
        compiled = self.model.compilation.compiled_after_step()
        return self if compiled is None else CompiledSteps.of(self, compiled)

    def close(self) -> None:
        """Do nothing: every forward has left tallies and cache complete."""


@dataclass
class CompiledSteps:
    """Forwards of the compiled copy, on static buffers. Rows that have ended still run, but are not counted."""

    eager: EagerSteps
    """The steps that ran before, with the tallies and the kept cache that `close` completes."""
    compiled: CompiledModel
    graph: Graph
    slots: list[int]
    """For each running row, its row in the graph's buffers."""
    start: int
    """How many tokens a row of the eager cache holds, padding included."""
    counts: Float[Tensor, "rows"]
    projections: dict[int, list[Float[Tensor, "rows"]]]
    n_run: int = 0

    @classmethod
    def of(cls, eager: EagerSteps, compiled: CompiledModel) -> CompiledSteps:
        """Continue from eager steps: copy their cache, their mask and their next tokens into a graph."""
        batch, n_rows = eager.batch, len(eager.batch.ids)
        start = batch.mask.shape[1] - 1
        graph = compiled.graph(n_rows, start + 1 + eager.tokens_left, eager.armed)
        counts = torch.zeros(len(graph.live), device=batch.ids.device)
        steps = cls(
            eager,
            compiled,
            graph,
            list(range(n_rows)),
            start,
            counts,
            {layer: [] for layer, steer in graph.steers.items() if steer.probes},
        )
        steps._fill(batch, n_rows)
        return steps

    def logits(self) -> Logits:
        """Run the next token of every row, whether it has ended or not."""
        with self.eager.model.lock, _extended(self.eager.kept, self.graph.ids):
            self.graph.mask[..., self.start + self.n_run] = True
            logits, floors_held = self.compiled.step(self.graph)
        self.n_run += 1
        self.counts += self.graph.live
        for layer, readings in self.projections.items():
            readings.append(self.graph.steers[layer].latest.clone())
        if not bool(floors_held):
            raise not_held()
        return logits[self.slots]

    def go_on(self, tokens: Sequence[int], live: Sequence[int]) -> Steps:
        """Write the rows' new tokens into the buffers, which keep their size."""
        slots = torch.tensor(self.slots, device=self.graph.ids.device)
        self.graph.ids[slots, 0] = torch.tensor(list(tokens), device=slots.device)
        self.graph.positions += 1
        ended = set(range(len(tokens))) - set(live)
        self.graph.live[[self.slots[index] for index in ended]] = False
        self.slots = [self.slots[index] for index in live]
        return self

    def close(self) -> None:
        """Add the graph's sums to the tallies, and copy the new keys and values into the kept cache."""
        if self.n_run:
            for layer, steering in self.eager.armed.items():
                readings = torch.stack(self.projections[layer], 1) if layer in self.projections else None
                self.graph.steers[layer].settle_into(steering, self.counts, readings)
        kept = self.eager.kept
        if kept is None or not kept.tokens:
            return
        lanes, new = slice(len(self.eager.batch.ids)), slice(self.start, self.start + self.n_run)
        for growing, static in zip(kept.cache.layers, self.graph.cache.layers, strict=True):
            growing.update(static.keys[lanes, :, new], static.values[lanes, :, new])

    def _fill(self, batch: Batch, n_rows: int) -> None:
        graph, slacks = self.graph, [floor_slack(self.eager.armed[layer]) for layer in self.graph.steers]
        graph.live.fill_(False)
        graph.live[:n_rows] = True
        graph.slack.zero_()
        for buffer, slack in zip(graph.slack, slacks, strict=True):
            buffer[:n_rows] = slack
        graph.mask.fill_(False)
        graph.mask[:, 0, 0, : self.start] = batch.mask[:1, :-1]
        graph.mask[:n_rows, 0, 0, : self.start] = batch.mask[:, :-1]
        graph.ids[:n_rows] = batch.ids
        graph.positions[:n_rows, 0] = batch.mask.long().sum(1) - 1
        for growing, static in zip(batch.cache.layers, graph.cache.layers, strict=True):
            static.keys[:n_rows, :, : self.start] = growing.keys
            static.values[:n_rows, :, : self.start] = growing.values
            static.cumulative_length.fill_(self.start)
