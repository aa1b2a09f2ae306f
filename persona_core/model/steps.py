"""Steps: one forward a token for the rows that run, eager or compiled.

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
    """The rest of a batch, step by step."""

    def logits(self) -> Logits:
        """Run the next forward; raise `SafetyUnavailable` where a floor does not hold."""
        ...

    def go_on(self, tokens: Sequence[int], live: Sequence[int]) -> Steps:
        """Give every running row its new token, leave out the rows that are not live, and return what runs them."""
        ...

    def close(self) -> None:
        """Settle tallies and the kept cache."""
        ...


@dataclass
class EagerSteps:
    """Forwards of the wrapped model. `room` is how many tokens may still come."""

    model: ModelWrapper
    batch: Batch
    armed: Mapping[int, ArmedLayer]
    kept: KeptCache | None
    room: int

    def __post_init__(self) -> None:
        self.floor = FloorCheck.of(self.armed.values())

    def logits(self) -> Logits:
        """Run the next forward and look at every floor."""
        with _extended(self.kept, self.batch.ids):
            logits = self.batch.run(self.model, self.armed)
        if self.floor is not None:
            self.floor.check()
        self.room -= 1
        return logits

    def go_on(self, tokens: Sequence[int], live: Sequence[int]) -> Steps:
        """Go on in a smaller batch where rows have ended, and compiled where the model is ready for that."""
        if len(live) < len(tokens):
            self.batch = self.batch.select(live)
            self.armed = {layer: what.select(live) for layer, what in self.armed.items()}
            self.floor = FloorCheck.of(self.armed.values())
        self.batch = self.batch.then([tokens[place] for place in live])
        compiled = self.model.compilation.compiled_after_step()
        return self if compiled is None else CompiledSteps.of(self, compiled)

    def close(self) -> None:
        """Leave everything as it is."""


@dataclass
class CompiledSteps:
    """Forwards of the compiled copy, on static buffers. Rows that have ended run on, uncounted."""

    before: EagerSteps
    compiled: CompiledModel
    graph: Graph
    places: list[int]
    start: int
    counts: Float[Tensor, "rows"]
    projections: dict[int, list[Float[Tensor, "rows"]]]
    done: int = 0

    @classmethod
    def of(cls, eager: EagerSteps, compiled: CompiledModel) -> CompiledSteps:
        """Take over where eager steps stand: their cache, their masks and their next tokens."""
        batch, n_rows = eager.batch, len(eager.batch.ids)
        start = batch.mask.shape[1] - 1
        graph = compiled.graph(n_rows, start + 1 + eager.room, eager.armed)
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
        """Run the next token of every row."""
        with self.before.model.lock, _extended(self.before.kept, self.graph.ids):
            self.graph.mask[..., self.start + self.done] = True
            found, floors_held = self.compiled.step(self.graph)
        self.done += 1
        self.counts += self.graph.live
        for layer, read in self.projections.items():
            read.append(self.graph.steers[layer].latest.clone())
        if not bool(floors_held):
            raise not_held()
        return found[self.places]

    def go_on(self, tokens: Sequence[int], live: Sequence[int]) -> Steps:
        """Give the rows their tokens; the buffers stay as large as they are."""
        places = torch.tensor(self.places, device=self.graph.ids.device)
        self.graph.ids[places, 0] = torch.tensor(list(tokens), device=places.device)
        self.graph.positions += 1
        gone = set(range(len(tokens))) - set(live)
        self.graph.live[[self.places[place] for place in gone]] = False
        self.places = [self.places[place] for place in live]
        return self

    def close(self) -> None:
        """Count what was done, and give the kept cache the new tokens."""
        if self.done:
            for layer, what in self.before.armed.items():
                read = torch.stack(self.projections[layer], 1) if layer in self.projections else None
                self.graph.steers[layer].read(what, self.counts, read)
        kept = self.before.kept
        if kept is None or not kept.tokens:
            return
        for growing, static in zip(kept.cache.layers, self.graph.cache.layers, strict=True):
            new = slice(self.start, self.start + self.done)
            growing.update(static.keys[:1, :, new], static.values[:1, :, new])

    def _fill(self, batch: Batch, n_rows: int) -> None:
        graph, room = self.graph, [floor_slack(self.before.armed[layer]) for layer in self.graph.steers]
        graph.live.fill_(False)
        graph.live[:n_rows] = True
        graph.slack.zero_()
        for row, found in zip(graph.slack, room, strict=True):
            row[:n_rows] = found
        graph.mask.fill_(False)
        graph.mask[:, 0, 0, : self.start] = batch.mask[:1, :-1]
        graph.mask[:n_rows, 0, 0, : self.start] = batch.mask[:, :-1]
        graph.ids[:n_rows] = batch.ids
        graph.positions[:n_rows, 0] = batch.mask.long().sum(1) - 1
        for growing, static in zip(batch.cache.layers, graph.cache.layers, strict=True):
            static.keys[:n_rows, :, : self.start] = growing.keys
            static.values[:n_rows, :, : self.start] = growing.values
            static.cumulative_length.fill_(self.start)
