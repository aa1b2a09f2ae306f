"""Twin: an unwrapped copy of the model that shares its weights and decodes one token in a single compiled graph.

Fixed shapes make that possible: a static key-value cache, and steering that lies in buffers (`static_steering`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import StaticCache

from persona_core.model.loading.memory import key_value_shape
from persona_core.steering.layer import ArmedLayer, Steer
from persona_core.steering.static_layer import StaticSteer

_SHORTEST = 256
_KEPT = 2
"""Sets of buffers that are kept for the next replies of the same shape."""
_RECOMPILES = 64

Shape = tuple[object, ...]


@dataclass
class Graph:
    """The buffers of one shape: `rows` rows, `length` places in the cache, and some steered layers."""

    cache: Any
    mask: Bool[Tensor, "rows 1 1 length"]
    ids: Int[Tensor, "rows 1"]
    positions: Int[Tensor, "rows 1"]
    live: Bool[Tensor, "rows"]
    steers: dict[int, StaticSteer]
    slack: Float[Tensor, "layer rows"]


class Twin:
    """Made before the model is wrapped."""

    def __init__(self, model: nn.Module) -> None:
        self.model: Any = copy.deepcopy(model, {id(weight): weight for weight in model.parameters()})
        self._steers = [module for module in self.model.modules() if isinstance(module, Steer)]
        for steer in self._steers:  # a compiled forward is bound to where it found the attribute
            vars(steer).pop("armed", None)
            steer.register_module("armed", None)
        self._graphs: dict[Shape, Graph] = {}
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _RECOMPILES)
        mode = "reduce-overhead" if next(model.parameters()).is_cuda else "default"
        self._step: Any = torch.compile(self._forward, mode=mode, fullgraph=True, dynamic=False)

    def graph(self, n_rows: int, n_tokens: int, armed: Mapping[int, ArmedLayer]) -> Graph:
        """Return buffers for so many rows and tokens that do what is armed: an earlier reply's where they fit."""
        rows, length = _power_of_two(n_rows), max(_power_of_two(n_tokens), _SHORTEST)
        shape = (rows, length, *((layer, armed[layer].shape) for layer in sorted(armed)))
        found = self._graphs.pop(shape, None) or self._new(rows, length, armed)
        for layer, what in armed.items():
            found.steers[layer].write(what)
        self._graphs[shape] = found
        for old in list(self._graphs)[:-_KEPT]:
            del self._graphs[old]
        return found

    def step(self, graph: Graph) -> tuple[Float[Tensor, "rows 1 vocab"], Bool[Tensor, ""]]:
        """Run one token a row; return the logits, and whether every floor held."""
        try:
            for layer, steer in graph.steers.items():
                self._steers[layer].armed = steer
            with torch.no_grad():
                logits, held = self._step(
                    graph.ids, graph.positions, graph.mask, graph.cache, graph.slack, graph.steers
                )
        finally:
            for layer in graph.steers:
                self._steers[layer].armed = None
        return logits, held

    def _forward(
        self, ids: Tensor, positions: Tensor, mask: Tensor, cache: Any, slack: Tensor, steers: dict[int, StaticSteer]
    ) -> tuple[Tensor, Tensor]:
        output = self.model(
            input_ids=ids, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True
        )
        held = [(steer.lowest[1] >= -room).all() for steer, room in zip(steers.values(), slack, strict=True)]
        return output.logits, torch.stack(held).all() if held else torch.ones((), dtype=torch.bool, device=ids.device)

    def _new(self, rows: int, length: int, armed: Mapping[int, ArmedLayer]) -> Graph:
        weight = next(self.model.parameters())
        config, device = self.model.config.get_text_config(), weight.device
        live = torch.zeros(rows, dtype=torch.bool, device=device)
        steers = {layer: StaticSteer(armed[layer], live, config.hidden_size) for layer in sorted(armed)}
        graph = Graph(
            cache=_static_cache(config, rows, length, weight),
            mask=torch.zeros((rows, 1, 1, length), dtype=torch.bool, device=device),
            ids=torch.zeros((rows, 1), dtype=torch.long, device=device),
            positions=torch.zeros((rows, 1), dtype=torch.long, device=device),
            live=live,
            steers=steers,
            slack=torch.zeros((len(steers), rows), device=device),
        )
        for steer in steers.values():
            for buffer in (steer.sums, steer.lowest, steer.audited):
                torch._dynamo.mark_static_address(buffer)
        return graph


def _static_cache(config: Any, rows: int, length: int, weight: Tensor) -> StaticCache:
    cache = StaticCache(config=config, max_cache_len=length)
    cache.early_initialization(rows, *key_value_shape(config), weight.dtype, weight.device)
    return cache


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()
