"""ModelWrapper: one language model that can be run, read and steered. No other module knows nnsight."""

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
from persona_core.errors import PromptError
from persona_core.model.architecture import check_steerable, decoder_layers
from persona_core.model.chat_format import ChatFormat
from persona_core.model.compiled import Compilation, CompiledModel, wants_compiling
from persona_core.model.cpu_linear import lay_out
from persona_core.model.kv_cache import is_whole, new_cache
from persona_core.model.loading.load import LoadedModel, identify, load_model, longest_context
from persona_core.model.padding import left_padded, positions
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
"""(layer, stream after that block) -> what `capture` keeps of it."""


class _Sites(Interleaver):  # type: ignore[misc]
    """An nnsight interleaver that hooks only the modules we read or edit; hooking all of them would slow each token."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__()
        self._sites = {id(module) for module in modules}

    def instrument(self, envoy: Any) -> None:
        """Hook a module if it is one of the sites."""
        if id(envoy._module) in self._sites:
            super().instrument(envoy)


class ModelWrapper:
    """A language model whose residual stream can be read and steered.

    One lock guards every forward: nnsight is not safe on two threads. Each decoder layer passes its output through a
    child module `steer`, which nnsight sees as `layers[i].steer`; while idle, it returns its input itself. `nnsight`
    gives access to the inputs and outputs of the model, its decoder layers and their `steer` modules, and to no other.
    """

    def __init__(
        self,
        config: Config,
        *,
        plugins: PluginManager | None = None,
        report: Notify = lambda line: None,
        loaded: LoadedModel | None = None,
    ) -> None:
        """Load the configured model, or wrap one that is `loaded` already; raise `ModelError` if loading fails."""
        self.config = config if plugins is None else config.opened_with(plugins)
        _use_all_cores()
        loaded = loaded or load_model(self.config, report)
        self.tokenizer = loaded.tokenizer
        self.chat_format = ChatFormat(loaded.tokenizer)
        self._report, self._said = report, set[str]()
        self.identity: ModelIdentity = identify(loaded)
        self.lock = threading.RLock()
        self._model = loaded.model.requires_grad_(False)
        lay_out(self._model)
        check_steerable(loaded.model.config)
        path, layers = decoder_layers(loaded.model)
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
        """The most tokens that prompt and reply may have together."""
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
        """Return the length of a conversation in tokens, even if it is longer than the context."""
        return len(self._tokens(messages))

    def _tokens(self, messages: Sequence[Message]) -> list[int]:
        if messages and messages[0]["role"] == "system" and not self.chat_format.takes_system:
            self._say_once("the chat template takes no system text: it goes in front of the user's first turn")
        return self.chat_format.tokens(messages)

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._report(line)

    def _too_long(self, n_tokens: int) -> str:
        longest = longest_context(self._model.config)
        more = f", or set model.context up to {longest}" if self.context_length < longest else ""
        return f"the prompt has {n_tokens} tokens, and the context {self.context_length}: shorten it{more}"

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of tokens, without special tokens."""
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True))

    def new_cache(self) -> Any:
        """Return an empty key-value cache."""
        return new_cache(self._model.config)

    @cached_property
    def shares_caches(self) -> bool:
        """Whether rows may have padding inside their cache: False for layers that attend to a window of tokens."""
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
        """Run one forward, steered as `armed` says, and return the logits of the last `keep_logits` positions.

        `mask` is False at padding, which precedes tokens and never ends a row. With a cache, `token_ids` holds the new
        tokens only. A `differentiable` forward records what gradients with respect to the additions in `armed` need.
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
        """Run one forward and return `reduce(layer, hidden)` for each of `layers`, which ascend.

        `reduce` runs inside the trace, so that no stream after a block is kept. Blocks after the last layer do not run.
        The stream is read at the block's `steer` module: blocks of some architectures return more than the stream.
        """
        envoys = self.nnsight.get(self._layers_path)
        inputs = _inputs(token_ids, mask, cache)
        with self.lock, torch.inference_mode(), self.nnsight.trace(**inputs) as tracer:
            rows = [reduce(layer, envoys[layer].steer.output) for layer in layers]
            nnsight.save(rows)
            tracer.stop()
        return rows

    def pad(
        self, sequences: Sequence[Sequence[int]], after: int = 0
    ) -> tuple[Int[Tensor, "batch token"], Bool[Tensor, "batch token"]]:
        """Return sequences as one left-padded batch on the model's device, with the mask of real tokens.

        They follow `after` cached tokens a row. On CUDA the whole length is never 1 modulo 32: left-padded attention
        may be wrong there (transformers #47651).
        """
        length = max(len(sequence) for sequence in sequences)
        if self.device.type == "cuda" and len(sequences) > 1 and (after + length) % 32 == 1:
            length += 1
        ids, mask = left_padded(sequences, length, self.tokenizer.pad_token_id or 0)
        return ids.to(self.device), mask.to(self.device)


def _inputs(token_ids: Tensor, mask: Tensor | None, cache: Any) -> dict[str, Any]:
    """Return the keyword arguments of a forward; without padding it needs no mask and no positions."""
    inputs: dict[str, Any] = {"input_ids": token_ids, "past_key_values": cache, "use_cache": cache is not None}
    if mask is not None and not bool(mask.all()):
        inputs |= {"attention_mask": mask.long(), "position_ids": positions(mask, token_ids.shape[1])}
    return inputs


@contextmanager
def _armed(steers: Sequence[Steer], armed: Mapping[int, Armed]) -> Iterator[None]:
    """Arm the steer modules for one forward, and make them idle again even if it fails."""
    try:
        for layer, steering in armed.items():
            steers[layer].armed = steering
        yield
    finally:
        for layer in armed:
            steers[layer].armed = None


def _use_all_cores() -> None:
    """Let torch use every core that this process may run on, unless OMP_NUM_THREADS says how many."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(cores)
