"""Batching: rows of tokens as one batch, in which rows that begin with the same tokens run them only once.

The shared heads run first, as one small forward; each row gets a copy of its head's key-value cache and then runs its
own tail. A row is therefore `[padding, head, padding, tail]`: padding is masked wherever it stands, and positions count
real tokens only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.layer import ArmedLayer

Logits = Float[Tensor, "batch kept vocab"]
_WORTH_SHARING = 64
"""Share a prefix only if it saves this many tokens: one extra forward costs about as much."""


@dataclass(frozen=True)
class Batch:
    """Rows between two forwards: `ids` run next; `mask` is False at padding in the cache and in `ids`."""

    ids: Int[Tensor, "batch token"]
    mask: Bool[Tensor, "batch past_and_token"]
    cache: Any
    steered: Bool[Tensor, "batch token"] | None = None
    """Which of `ids` are steered; None for all."""

    @classmethod
    def at_start(cls, ids: Tensor, mask: Tensor, cache: Any) -> Batch:
        """Return a batch whose new tokens are steered, but for padding and each row's first token."""
        return cls(ids, mask, cache, steered_tokens(mask)[:, -ids.shape[1] :])

    def run(self, model: ModelWrapper, armed: Mapping[int, ArmedLayer], keep_logits: int = 1) -> Logits:
        """Run the new tokens, steered as `armed` says, and return the logits of the last `keep_logits` positions."""
        for layer in armed.values():
            layer.keep = self.steered
        return model.forward(self.ids, mask=self.mask, cache=self.cache, armed=armed, keep_logits=keep_logits)

    def then(self, tokens: Sequence[int]) -> Batch:
        """Return the batch of the next step: one new token a row."""
        ids = torch.tensor([[token] for token in tokens], device=self.ids.device)
        return Batch(ids, torch.cat([self.mask, torch.ones_like(ids, dtype=torch.bool)], 1), self.cache)

    def select(self, rows: Sequence[int]) -> Batch:
        """Return these rows, which have run, as a batch; a row may be repeated. The cache is cut in place."""
        index = torch.tensor(rows, device=self.ids.device)
        self.cache.batch_select_indices(index)
        return Batch(self.ids[index], self.mask[index], self.cache)


def steered_tokens(mask: Bool[Tensor, "batch token"]) -> Bool[Tensor, "batch token"]:
    """Return which tokens steering may change: all but padding and each row's first token, the attention sink."""
    return mask & (mask.long().cumsum(1) > 1)


@dataclass(frozen=True)
class Group:
    """Rows whose first `shared` tokens are the same."""

    rows: tuple[int, ...]
    shared: int


def begin(
    model: ModelWrapper,
    rows: Sequence[Sequence[int]],
    limits: Sequence[int],
    *,
    armed: Mapping[int, ArmedLayer] | None = None,
    steering_keys: Sequence[str] | None = None,
) -> Batch:
    """Run the tokens that rows share, and return the batch of those that are left to run.

    Row `i` shares at most its first `limits[i]` tokens (fewer than it has), and only with rows of the same steering
    key: those that are steered alike. `armed` steers every row; its tallies count the shared tokens for every row.
    """
    groups = _worthwhile(rows, limits, steering_keys or [""] * len(rows)) if model.shares_caches else []
    if not groups:
        return Batch.at_start(*model.pad(rows), model.new_cache())
    shared, group_of = _by_row(groups)
    heads = _run_heads(model, [rows[group.rows[0]][: group.shared] for group in groups], groups, armed or {})
    for layer in (armed or {}).values():
        layer.tally.copy_rows([groups[index].rows[0] for index in group_of])
    begun = heads.select(group_of)
    tails = [row[start:] for row, start in zip(rows, shared, strict=True)]
    ids, mask = model.pad(tails, after=begun.mask.shape[1])
    return Batch.at_start(ids, torch.cat([begun.mask, mask], 1), begun.cache)


def split(rows: Sequence[Sequence[int]], limits: Sequence[int], steering_keys: Sequence[str]) -> list[Group]:
    """Return the groups of rows that save the most tokens; a row that shares nothing is a group of its own.

    In sorted order the rows of a group are neighbours. Dynamic programming: the best grouping of the first rows is the
    best grouping of fewer rows, and one more group.
    """
    heads = [(key, list(row[:limit])) for key, row, limit in zip(steering_keys, rows, limits, strict=True)]
    order = sorted(range(len(rows)), key=heads.__getitem__)
    common = [_common(heads[one], heads[other]) for one, other in pairwise(order)]
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # tokens saved, where the last group starts, what it shares
    for end in range(1, len(order) + 1):
        choices, shared = [(best[end - 1][0], end - 1, 0)], len(rows[order[end - 1]])
        for start in range(end - 2, -1, -1):
            shared = min(shared, common[start])
            if not shared:
                break
            choices.append((best[start][0] + (end - start - 1) * shared, start, shared))
        best.append(max(choices))
    return _groups(order, best)


def _groups(order: Sequence[int], best: Sequence[tuple[int, int, int]]) -> list[Group]:
    groups, end = [], len(order)
    while end:
        _, start, shared = best[end]
        groups.append(Group(tuple(order[start:end]), shared))
        end = start
    return groups


def _worthwhile(rows: Sequence[Sequence[int]], limits: Sequence[int], steering_keys: Sequence[str]) -> list[Group]:
    """Return the groups; none if the padded batches of heads and tails are not clearly smaller than one of whole rows.

    A row that shares nothing runs its beginning with the heads, so that its tail is no longer than the others'.
    """
    lengths = [len(row) for row in rows]
    groups = split(rows, limits, steering_keys)
    tail = max((lengths[row] - group.shared for group in groups if group.shared for row in group.rows), default=0)
    if not tail:
        return []
    groups = [group if group.shared else _alone(group.rows[0], lengths, limits, tail) for group in groups]
    tail = max(lengths[row] - group.shared for group in groups for row in group.rows)
    padded = len(groups) * max(group.shared for group in groups) + len(rows) * tail
    return groups if len(rows) * max(lengths) - padded >= _WORTH_SHARING else []


def _alone(row: int, lengths: Sequence[int], limits: Sequence[int], tail: int) -> Group:
    return Group((row,), min(limits[row], max(lengths[row] - tail, 0)))


def _by_row(groups: Sequence[Group]) -> tuple[list[int], list[int]]:
    """Return, for each row, how many tokens it shares, and the index of its group."""
    entries = sorted((row, group.shared, index) for index, group in enumerate(groups) for row in group.rows)
    return [shared for _, shared, _ in entries], [index for _, _, index in entries]


def _run_heads(
    model: ModelWrapper, heads: Sequence[Sequence[int]], groups: Sequence[Group], armed: Mapping[int, ArmedLayer]
) -> Batch:
    """Run the head of each group as one row, steered as the group's first row is."""
    batch = Batch.at_start(*model.pad(heads), model.new_cache())
    steering = {layer: armed_layer.select([group.rows[0] for group in groups]) for layer, armed_layer in armed.items()}
    batch.run(model, steering)
    return batch


def _common(one: tuple[str, list[int]], other: tuple[str, list[int]]) -> int:
    """Return how many tokens two heads share; none if their steering keys differ."""
    return common_length(one[1], other[1]) if one[0] == other[0] else 0


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the longest common beginning of two sequences."""
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
