"""Rows that begin with the same tokens run them once: their common heads first, then each row's own tail.

A row of a batch is `[padding, head, padding, tail]`. The heads are one small forward whose key-value cache is dealt
out to the rows; padding is masked wherever it stands, and positions count real tokens only.
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
_WORTH = 64
"""Tokens that sharing must save: a forward of its own costs about as much as these, whatever is in it."""


@dataclass(frozen=True)
class Batch:
    """Rows on their way: `ids` are the tokens to run next, `mask` says what is real in the cache and in them."""

    ids: Int[Tensor, "batch token"]
    mask: Bool[Tensor, "batch past_and_token"]
    cache: Any
    steered: Bool[Tensor, "batch token"] | None = None
    """Which new tokens are steered; None for all."""

    @classmethod
    def at_start(cls, ids: Tensor, mask: Tensor, cache: Any) -> Batch:
        """Return a batch that steers all but padding and each row's first token, the attention sink."""
        return cls(ids, mask, cache, steered_tokens(mask)[:, -ids.shape[1] :])

    def run(self, model: ModelWrapper, armed: Mapping[int, ArmedLayer], keep_logits: int = 1) -> Logits:
        """Run the new tokens, steered where `armed` says so, and return the last positions' logits."""
        for layer in armed.values():
            layer.keep = self.steered
        return model.forward(self.ids, mask=self.mask, cache=self.cache, armed=armed, keep_logits=keep_logits)

    def then(self, tokens: Sequence[int]) -> Batch:
        """Return the next step, one token a row."""
        ids = torch.tensor([[token] for token in tokens], device=self.ids.device)
        return Batch(ids, torch.cat([self.mask, torch.ones_like(ids, dtype=torch.bool)], 1), self.cache)

    def select(self, places: Sequence[int]) -> Batch:
        """Return these rows alone, once they have run; the cache is cut in place."""
        which = torch.tensor(places, device=self.ids.device)
        self.cache.batch_select_indices(which)
        return Batch(self.ids[which], self.mask[which], self.cache)


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
    kinds: Sequence[str] | None = None,
) -> Batch:
    """Run what rows share, and return the batch with the rest to run.

    Row `i` shares at most its first `limits[i]` tokens (fewer than it has), and only with rows of the same kind: those
    that are steered alike. `armed` has a plan for every row; its tallies count the shared tokens for every row.
    """
    groups = _worthwhile(rows, limits, kinds or [""] * len(rows)) if model.shares_caches else []
    if not groups:
        return Batch.at_start(*model.pad(rows), model.new_cache())
    shared, group_of = _by_row(groups)
    heads = _run_heads(model, [rows[group.rows[0]][: group.shared] for group in groups], groups, armed or {})
    for layer in (armed or {}).values():
        layer.tally.copy_rows([groups[place].rows[0] for place in group_of])
    dealt = heads.select(group_of)
    tails = [row[start:] for row, start in zip(rows, shared, strict=True)]
    ids, mask = model.pad(tails, after=dealt.mask.shape[1])
    return Batch.at_start(ids, torch.cat([dealt.mask, mask], 1), dealt.cache)


def split(rows: Sequence[Sequence[int]], limits: Sequence[int], kinds: Sequence[str]) -> list[Group]:
    """Return the groups that save the most tokens; a row that shares nothing is a group of its own.

    In the rows' sorted order a group is a run of neighbours, so the best cut up to each row is the best of those
    before it and one more group.
    """
    heads = [(kind, list(row[:limit])) for kind, row, limit in zip(kinds, rows, limits, strict=True)]
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


def _worthwhile(rows: Sequence[Sequence[int]], limits: Sequence[int], kinds: Sequence[str]) -> list[Group]:
    """Return the groups, or none where padded batches of heads and tails are not clearly smaller than the whole.

    A row of its own runs as much of itself with the heads as leaves it a tail no longer than the others'.
    """
    lengths = [len(row) for row in rows]
    groups = split(rows, limits, kinds)
    tail = max((lengths[row] - group.shared for group in groups if group.shared for row in group.rows), default=0)
    if not tail:
        return []
    groups = [group if group.shared else _alone(group.rows[0], lengths, limits, tail) for group in groups]
    tail = max(lengths[row] - group.shared for group in groups for row in group.rows)
    parts = len(groups) * max(group.shared for group in groups) + len(rows) * tail
    return groups if len(rows) * max(lengths) - parts >= _WORTH else []


def _alone(row: int, lengths: Sequence[int], limits: Sequence[int], tail: int) -> Group:
    return Group((row,), min(limits[row], max(lengths[row] - tail, 0)))


def _by_row(groups: Sequence[Group]) -> tuple[list[int], list[int]]:
    """Return, for each row, how many tokens it shares and which group it is in."""
    places = sorted((row, group.shared, place) for place, group in enumerate(groups) for row in group.rows)
    return [shared for _, shared, _ in places], [place for _, _, place in places]


def _run_heads(
    model: ModelWrapper, heads: Sequence[Sequence[int]], groups: Sequence[Group], armed: Mapping[int, ArmedLayer]
) -> Batch:
    """Run one row a group, steered as the group's first row is."""
    batch = Batch.at_start(*model.pad(heads), model.new_cache())
    steering = {layer: what.select([group.rows[0] for group in groups]) for layer, what in armed.items()}
    batch.run(model, steering)
    return batch


def _common(one: tuple[str, list[int]], other: tuple[str, list[int]]) -> int:
    """Return how many tokens two heads share: none where they are of different kinds."""
    return common_length(one[1], other[1]) if one[0] == other[0] else 0


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
