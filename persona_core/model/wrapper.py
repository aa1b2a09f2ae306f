"""ModelWrapper: the one module that knows nnsight. Tokens in; logits, activations and rollouts out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import nnsight
import torch
from jaxtyping import Bool, Float, Int
from nnsight import TransformersModel
from nnsight.intervention.interleaver import Interleaver
from torch import Tensor, nn

from persona_core.base.layers import resolve_layers
from persona_core.base.messages import Message
from persona_core.errors import ModelError, PromptError
from persona_core.model.compiled import Compilation, CompiledModel, wants_compiling
from persona_core.model.cpu_linear import lay_out
from persona_core.model.kv_cache import is_whole, new_cache
from persona_core.model.loading.load import LoadedModel, identify, load_model, longest_context
from persona_core.settings.config import Config
from persona_core.settings.installed import PluginManager
from persona_core.settings.model_source import Notify
from persona_core.steering import layer as steer_module
from persona_core.steering.layer import Armed, Steer
from persona_core.vectors.file import ModelIdentity

# nnsight adds `save` to every object when it is imported. torch's compiler would take that for an operation that it
# cannot compile, so it goes before the compiler is imported. Removing it twice crashes.
if hasattr(object, "save"):
    nnsight._c.unmount("save")

Reduce = Callable[[int, Float[Tensor, "batch token hidden"]], Tensor]


class _Sites(Interleaver):  # type: ignore[misc]
    """nnsight's switchboard, at the sites that are read or edited: each other one would cost every token some time."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__()
        self._sites = {id(module) for module in modules}

    def instrument(self, envoy: Any) -> None:
        """Let a module hand over its input and output, where it is a site."""
        if id(envoy._module) in self._sites:
            super().instrument(envoy)


class ModelWrapper:
    """A language model whose residual stream can be read and steered.

    One lock guards every forward: nnsight is not safe on two threads. Steering lives in a `steer` child of each
    decoder layer, which nnsight sees as `layers[i].steer`; idle, it hands on its input itself. `nnsight` serves the
    input and output of the model, of its decoder layers and of their `steer`, and of nothing else.
    """

    def __init__(
        self,
        config: Config,
        *,
        plugins: PluginManager | None = None,
        report: Notify = lambda line: None,
        loaded: LoadedModel | None = None,
    ) -> None:
        """Load the configured model, or take one that is `loaded`; raise `ModelError` where it cannot be had."""
        self.config = config if plugins is None else config.opened_with(plugins)
        _use_all_cores()
        loaded = loaded or load_model(self.config, report)
        self.tokenizer = loaded.tokenizer
        self.identity: ModelIdentity = identify(loaded)
        self.lock = threading.RLock()
        self._model = loaded.model.requires_grad_(False)
        lay_out(self._model)
        path, layers = _decoder_layers(loaded.model)
        self._layers_path = path
        self._steers: list[Steer] = [steer_module.install(layer) for layer in layers]
        self.compilation = Compilation(self._compiled_copy(), self.config.model, report)
        self.nnsight = TransformersModel(
            loaded.model,
            tokenizer=loaded.tokenizer,
            task="text-generation",
            interleaver=_Sites([loaded.model, *layers, *self._steers]),
        )

    @property
    def n_layers(self) -> int:
        """How many decoder blocks there are."""
        return self.identity.n_layers

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = next(self._model.parameters()).device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the residual stream."""
        dtype: torch.dtype = next(self._model.parameters()).dtype
        return dtype

    @cached_property
    def context_length(self) -> int:
        """How many tokens prompt and reply may have together."""
        return min(self.config.model.context, longest_context(self._model.config))

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """The tokens that end a reply."""
        ends = self._model.generation_config.eos_token_id
        ids = ends if isinstance(ends, list) else [ends]
        return frozenset(token for token in (*ids, self.tokenizer.eos_token_id) if token is not None)

    @cached_property
    def target_layers(self) -> tuple[int, ...]:
        """The layers that the configuration steers."""
        return resolve_layers(self.config.extraction.target_layers, self.n_layers)

    @cached_property
    def capping_layers(self) -> tuple[int, ...]:
        """The layers at which the configuration holds the floor."""
        return resolve_layers(self.config.steering.capping_layers, self.n_layers)

    @property
    def n_steps(self) -> int:
        """How many decoding steps have run eagerly."""
        return self.compilation.n_steps

    def _compiled_copy(self) -> CompiledModel | None:
        compiles = wants_compiling(self.config.model, self.device) and self.shares_caches
        return CompiledModel(self._model) if compiles else None

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a conversation up to where the reply starts; raise `PromptError` if too long."""
        tokens = self._tokens(messages)
        if len(tokens) >= self.context_length:
            raise PromptError(self._too_long(len(tokens)))
        return tokens

    def n_tokens(self, messages: Sequence[Message]) -> int:
        """Return how many tokens `encode` would give, were there no context."""
        return len(self._tokens(messages))

    def _tokens(self, messages: Sequence[Message]) -> list[int]:
        ids = self.tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_dict=True)
        return list(ids["input_ids"])

    def _too_long(self, n_tokens: int) -> str:
        longest = longest_context(self._model.config)
        more = f", or set model.context up to {longest}" if self.context_length < longest else ""
        return f"the prompt has {n_tokens} tokens, and the context {self.context_length}: shorten it{more}"

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of tokens, special ones left out."""
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True))

    def new_cache(self) -> Any:
        """Return an empty key-value cache."""
        return new_cache(self._model.config)

    @cached_property
    def shares_caches(self) -> bool:
        """Tell whether rows may have padding inside their cache: not where attention sees a window of places."""
        return is_whole(self.new_cache())

    def forward(
        self,
        token_ids: Int[Tensor, "batch token"],
        *,
        mask: Bool[Tensor, "batch past_and_token"] | None = None,
        cache: Any = None,
        armed: Mapping[int, Armed] | None = None,
        keep_logits: int = 1,
        differentiable: bool = False,
    ) -> Float[Tensor, "batch kept vocab"]:
        """Run one forward and return the last `keep_logits` positions' logits, steered where `armed` says so.

        `mask` is False at padding, which comes before tokens and never ends a row. With a cache, `token_ids` are the
        new tokens only. A `differentiable` forward keeps what a gradient with regard to what `armed` adds needs.
        """
        inputs = _inputs(token_ids, mask, cache)
        gradients = torch.enable_grad() if differentiable else torch.inference_mode()
        with self.lock, gradients, _armed(self._steers, armed or {}):
            output = self.nnsight.trace(trace=False, logits_to_keep=keep_logits, **inputs)
        return output.logits  # type: ignore[no-any-return]

    def capture(
        self,
        token_ids: Int[Tensor, "batch token"],
        mask: Bool[Tensor, "batch past_and_token"],
        reduce: Reduce,
        layers: Sequence[int],
        cache: Any = None,
    ) -> list[Tensor]:
        """Run one forward and return `reduce(layer, hidden)` for each layer, in ascending order.

        The stream after block `layer` is reduced inside the trace, so that it is never kept; blocks after the last
        layer do not run.
        """
        envoys = self.nnsight.get(self._layers_path)
        inputs = _inputs(token_ids, mask, cache)
        with self.lock, torch.inference_mode(), self.nnsight.trace(**inputs) as tracer:
            rows = [reduce(layer, envoys[layer].output) for layer in layers]
            nnsight.save(rows)
            tracer.stop()
        return rows

    def pad(
        self, sequences: Sequence[Sequence[int]], after: int = 0
    ) -> tuple[Int[Tensor, "batch token"], Bool[Tensor, "batch token"]]:
        """Return sequences as one left-padded batch on the model's device, with the mask of real tokens.

        They come `after` so many places of a cache. On CUDA no batch is 1 modulo 32 long: left-padded attention may be
        wrong there (transformers #47651).
        """
        longest = max(len(sequence) for sequence in sequences)
        if self.device.type == "cuda" and len(sequences) > 1 and (after + longest) % 32 == 1:
            longest += 1
        filler = self.tokenizer.pad_token_id or 0
        ids = torch.full((len(sequences), longest), filler)
        mask = torch.zeros((len(sequences), longest), dtype=torch.bool)
        for row, sequence in enumerate(sequences):
            ids[row, longest - len(sequence) :] = torch.tensor(list(sequence))
            mask[row, longest - len(sequence) :] = True
        return ids.to(self.device), mask.to(self.device)


def _inputs(token_ids: Tensor, mask: Tensor | None, cache: Any) -> dict[str, Any]:
    """Return a forward's inputs: positions count real tokens, and a mask without padding is left out."""
    inputs: dict[str, Any] = {"input_ids": token_ids, "past_key_values": cache, "use_cache": cache is not None}
    if mask is not None and not bool(mask.all()):
        places = (mask.long().cumsum(1) - 1).clamp_min(0)[:, -token_ids.shape[1] :]
        inputs |= {"attention_mask": mask.long(), "position_ids": places}
    return inputs


@contextmanager
def _armed(steers: Sequence[Steer], armed: Mapping[int, Armed]) -> Iterator[None]:
    """Arm the steer modules for one forward, and leave them idle whatever happens in it."""
    try:
        for layer, what in armed.items():
            steers[layer].armed = what
        yield
    finally:
        for layer in armed:
            steers[layer].armed = None


def batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield the places of sequences in batches of like length, longest first, so that little is padding."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _decoder_layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    wanted = model.config.get_text_config().num_hidden_layers  # type: ignore[union-attr,operator]
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return name, module
    raise ModelError(f"{type(model).__name__} has no list of {wanted} decoder layers that can be steered")


def _use_all_cores() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(cores)
