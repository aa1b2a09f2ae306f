"""A key-value cache with spare room: it writes a new token in place, where transformers copies the whole cache.

It holds the same keys and values as transformers' own cache; only their place in memory differs.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

_LEAST_ROOM = 64
_SHARE = 8
"""A full buffer grows by one eighth: little memory is wasted, and copies are rare."""

States = Float[Tensor, "row head token width"]


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer's cache. `keys` and `values` are views of buffers with spare room at the end."""

    _buffers: tuple[States, States] | None = None

    def update(self, key_states: States, value_states: States, *_: Any, **__: Any) -> tuple[States, States]:
        """Append the new tokens and return all keys and values; the first tokens are stored without a copy."""
        if not self.get_seq_length():
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            self.keys, self.values, self._buffers = key_states, value_states, None
        else:
            self._write(self.get_seq_length(), key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        return self.keys, self.values

    def _write(self, start: int, key_states: States, value_states: States) -> None:
        end = start + key_states.shape[-2]
        if not self._has_room(end):
            self._grow(start, end + max(_LEAST_ROOM, end // _SHARE))
        assert self._buffers is not None
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., start:end, :] = states
        self.keys, self.values = (buffer[..., :end, :] for buffer in self._buffers)

    def _has_room(self, end: int) -> bool:
        """Tell whether the buffers reach to `end` and still hold the keys: selecting rows puts the keys elsewhere."""
        assert self.keys is not None
        return (
            self._buffers is not None
            and self._buffers[0].data_ptr() == self.keys.data_ptr()
            and self._buffers[0].shape[0] == self.keys.shape[0]
            and self._buffers[0].shape[-2] >= end
        )

    def _grow(self, held: int, room: int) -> None:
        """Move the `held` tokens into buffers for `room` tokens."""
        assert self.keys is not None
        assert self.values is not None
        grown = []
        for states in (self.keys, self.values):
            buffer = states.new_empty((*states.shape[:-2], room, states.shape[-1]))
            buffer[..., :held, :] = states
            grown.append(buffer)
        self._buffers = (grown[0], grown[1])


def _growing() -> GrowingLayer:
    return GrowingLayer()  # type: ignore[no-untyped-call]


def new_cache(config: Any) -> DynamicCache:
    """Return an empty cache for a model; layers that attend to a window of tokens keep transformers' own class."""
    cache = DynamicCache(config=config)
    cache.layers = [_growing() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def is_whole(cache: DynamicCache) -> bool:
    """Tell whether every layer keeps every token, so that padding may lie anywhere in it."""
    return all(isinstance(layer, GrowingLayer) for layer in cache.layers)
