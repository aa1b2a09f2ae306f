"""Tally: counts what steering did to each row at one layer over all forwards of a reply, on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.steering.sums import Observation, Rows, Sums

Count = Callable[[Observation], None]
_QUEUE = 64


def _nothing(observation: Observation) -> None:
    """Count nothing."""


def join(observations: Sequence[Observation]) -> Observation:
    """Return observations of the same rows, all of whose tokens count, as one."""
    if len(observations) == 1:
        return observations[0]
    lifts = tuple(
        (torch.cat([shift for shift, _ in clamp], 1), torch.cat([before for _, before in clamp], 1))
        for clamp in zip(*(observation.lifts for observation in observations), strict=True)
    )
    befores, afters = ([one.before for one in observations], [one.after for one in observations])
    return Observation(torch.cat(befores, 1), torch.cat(afters, 1), lifts)


class Tally:
    """What happened to each row at one layer over all forwards of a reply.

    One-token observations are queued and counted 64 at a time; counting each separately costs more than steering.
    """

    def __init__(self, n_rows: int, device: torch.device, n_audits: int = 0) -> None:
        self.n_rows = n_rows
        self.device = device
        self._sums = Sums.empty(n_rows, device, n_audits)
        self._readings: list[tuple[Rows, Float[Tensor, "rows token"]]] = []
        self._queue: list[Observation] = []
        self._count: Count = _nothing

    def defer(self, observation: Observation, count: Count) -> None:
        """Queue an observation to be counted by `count`, together with those that are queued for the same."""
        if count != self._count:
            self.settle()
        self._count = count
        self._queue.append(observation)
        if len(self._queue) >= _QUEUE:
            self.settle()

    def settle(self) -> None:
        """Count the queued observations."""
        if self._queue:
            queue, self._queue = self._queue, []
            self._count(join(queue))

    def settled(self) -> Sums:
        """Count the queued observations and return the sums so far."""
        self.settle()
        return self._sums

    def newest(self) -> Float[Tensor, "rows 1 hidden"] | None:
        """Return the steered stream of the newest queued token; None where none is queued."""
        return self._queue[-1].after if self._queue else None

    def merge(self, sums: Sums, rows: Rows) -> None:
        """Add what was counted of these rows."""
        self._sums.merge(sums, rows)

    def copy_rows(self, rows: Sequence[int]) -> None:
        """Make row `i` what row `rows[i]` is now."""
        self._sums = self.settled().select(rows)

    def add_readings(self, rows: Rows, projections: Float[Tensor, "rows token"]) -> None:
        """Keep what the probe read of the reply's next tokens, for the rows that ran."""
        self._readings.append((rows, projections))

    def projections(self, row: int) -> list[float]:
        """Return what the probe read of each token of a row's reply; its last token was never read by the model."""
        self.settle()
        every = torch.arange(self.n_rows, device=self.device)
        values = [read[(every[rows] == row).nonzero()[:, 0]].flatten() for rows, read in self._readings]
        return [float(value) for value in torch.cat(values)] if values else []
