"""Padding: sequences of different lengths in batches, with little of a batch lost to padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield the indices of sequences in batches of similar length, longest first, so that little is padding."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    for start in range(0, len(order), size):
        yield order[start : start + size]


def left_padded(
    sequences: Sequence[Sequence[int]], length: int, filler: int
) -> tuple[Int[Tensor, "batch token"], Bool[Tensor, "batch token"]]:
    """Return sequences as one batch of `length` columns, padded on the left, with the mask of real tokens."""
    ids = torch.full((len(sequences), length), filler)
    mask = torch.zeros((len(sequences), length), dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        ids[row, length - len(sequence) :] = torch.tensor(list(sequence))
        mask[row, length - len(sequence) :] = True
    return ids, mask


def positions(mask: Bool[Tensor, "batch past_and_token"], n_new: int) -> Int[Tensor, "batch token"]:
    """Return the positions of the last `n_new` columns, counting real tokens only; padding is at 0."""
    return (mask.long().cumsum(1) - 1).clamp_min(0)[:, -n_new:]
