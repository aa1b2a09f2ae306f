"""CompiledModel: a copy of the model that decodes a token in one compiled graph; Compilation decides when to use it.

The copy shares the model's weights. A compiled graph needs fixed shapes: a static key-value cache and steering whose
tensors are buffers (`steering/static_layer`) have them.
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
from persona_core.settings.config import ModelSettings
from persona_core.settings.model_source import Notify
from persona_core.steering.layer import ArmedLayer, Steer
from persona_core.steering.static_layer import StaticSteer

_WORTH_COMPILING = 512
"""Eager decoding steps after which compiling pays: a process that has run so many will run many more."""
_SHORTEST_CACHE = 256
"""Tokens: shorter replies all use a cache of this length, so that they share one graph."""
_KEPT_GRAPHS = 2
"""How many graphs stay allocated for the next replies of the same shape."""
_RECOMPILES = 64
"""How many graphs torch may compile; beyond its limit it would run eagerly."""

Shape = tuple[object, ...]


class Compilation:
    """Decides when decoding continues in the compiled copy: from the first step with `compile: on`, else after 512."""

    def __init__(self, compiled: CompiledModel | None, settings: ModelSettings, report: Notify) -> None:
        """Take the copy, or None for a model that always runs eagerly; `report` shows a line before the first use."""
        self.n_steps = 0
        self._compiled = compiled
        self._steps_before = 1 if settings.compile == "on" else _WORTH_COMPILING
        self._report: Notify | None = report

    def compiled_after_step(self) -> CompiledModel | None:
        """Count one eager step; return the compiled copy once enough steps have run, else None."""
        self.n_steps += 1
        if self._compiled is None or self.n_steps < self._steps_before:
            return None
        if self._report is not None:
            self._report("compiling the decoding step: the first reply of each size takes up to a minute longer")
            self._report = None
        return self._compiled


def wants_compiling(settings: ModelSettings, device: torch.device) -> bool:
    """Tell whether the configuration compiles on this device; `auto` compiles on cuda, but not nf4 weights."""
    if settings.compile == "auto":
        return device.type == "cuda" and settings.dtype != "nf4"
    return settings.compile == "on"


@dataclass
class Graph:
    """The buffers of one shape: `rows` rows, `length` tokens of cache, and some steered layers."""

    cache: Any
    mask: Bool[Tensor, "rows 1 1 length"]
    ids: Int[Tensor, "rows 1"]
    positions: Int[Tensor, "rows 1"]
    live: Bool[Tensor, "rows"]
    steers: dict[int, StaticSteer]
    slack: Float[Tensor, "layer rows"]


class CompiledModel:
    """The copy and its graphs. Build it before nnsight wraps the model: the copy must not carry nnsight's hooks."""

    def __init__(self, model: nn.Module) -> None:
        self.model: Any = copy.deepcopy(model, {id(weight): weight for weight in model.parameters()})
        self._steers = [module for module in self.model.modules() if isinstance(module, Steer)]
        # A graph is traced for `armed` stored in one place: among the submodules, be it None or a StaticSteer.
        for steer in self._steers:
            vars(steer).pop("armed", None)
            steer.register_module("armed", None)
        self._graphs: dict[Shape, Graph] = {}
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _RECOMPILES)
        mode = "reduce-overhead" if next(model.parameters()).is_cuda else "default"
        self._step: Any = torch.compile(self._forward, mode=mode, fullgraph=True, dynamic=False)

    def graph(self, n_rows: int, n_tokens: int, armed: Mapping[int, ArmedLayer]) -> Graph:
        """Return a graph for `n_rows` rows and `n_tokens` tokens that steers as `armed` does.

        It reuses the graph of an earlier reply of the same shape.
        """
        rows, length = _power_of_two(n_rows), max(_power_of_two(n_tokens), _SHORTEST_CACHE)
        shape = (rows, length, *((layer, armed[layer].shape) for layer in sorted(armed)))
        graph = self._graphs.pop(shape, None) or self._new_graph(rows, length, armed)
        for layer, armed_layer in armed.items():
            graph.steers[layer].write(armed_layer)
        self._graphs[shape] = graph
        for old in list(self._graphs)[:-_KEPT_GRAPHS]:
            del self._graphs[old]
        return graph

    def step(self, graph: Graph) -> tuple[Float[Tensor, "rows 1 vocab"], Bool[Tensor, ""]]:
        """Run one token a row; return the logits, and whether every floor was held."""
        try:
            for layer, steer in graph.steers.items():
                self._steers[layer].armed = steer
            with torch.no_grad():
                logits, floors_held = self._step(
                    graph.ids, graph.positions, graph.mask, graph.cache, graph.slack, graph.steers
                )
        finally:
            for layer in graph.steers:
                self._steers[layer].armed = None
        return logits, floors_held

    def _forward(
        self, ids: Tensor, positions: Tensor, mask: Tensor, cache: Any, slack: Tensor, steers: dict[int, StaticSteer]
    ) -> tuple[Tensor, Tensor]:
        output = self.model(
            input_ids=ids, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True
        )
        held = [(steer.lowest[1] >= -below).all() for steer, below in zip(steers.values(), slack, strict=True)]
        return output.logits, torch.stack(held).all() if held else torch.ones((), dtype=torch.bool, device=ids.device)

    def _new_graph(self, rows: int, length: int, armed: Mapping[int, ArmedLayer]) -> Graph:
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
