"""GGUF weights: writes the tensors of a file as safetensors, with one of them in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy
import torch

from persona_core.errors import ModelError

ONE_TO_ONE = frozenset({"falcon", "gemma2", "gemma3", "llama", "phi3", "qwen2", "qwen3", "stablelm", "starcoder2"})
"""Architectures, as GGUF files name them, that make each weight from one tensor. Others merge tensors of experts."""
_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16"}
"""The precisions that weights are written in, as safetensors names them, in the order of its files."""
_EMBEDDING, _OUTPUT = "token_embd.weight", "output.weight"
_COPIES = 0.2
"""Relative distance below which two matrices are copies of one. It is 0.04 between Qwen2.5's copies of its embedding in
Q5_0 and Q8_0, 0.07 in Q4_K and Q6_K, and above 1 between an embedding and an output layer that were trained apart."""
_COMPARED = 64
"""Rows of both matrices that are compared."""
_SLICE = 1 << 20
"""Values dequantised at a time: larger slices leave the processor's cache, and take three times the memory."""
_POSITIONS = ("rope_freqs.", "rope_factors_", "attn_rot_embd.")
"""Tables of rotary positions, which transformers computes from the configuration."""


@dataclass(frozen=True)
class StoredWeight:
    """A weight of the model: its name and shape there, its precision on disk, and the tensor of the GGUF file."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    tensor: Any

    @property
    def size(self) -> int:
        """The bytes of the weight on disk."""
        return prod(self.shape) * self.dtype.itemsize


class GgufWeights:
    """The model of a GGUF file without its data, and which tensor each of its weights is made from.

    An output layer that is a copy of the embedding is tied to it, and both become the copy with more bits. Matrices get
    the precision `dtype`; vectors (biases, norms) stay float32, as GGUF files hold them. Raises `ModelError` where a
    weight has no tensor, or a tensor no weight.
    """

    def __init__(self, gguf: Path, dtype: str) -> None:
        from transformers import AutoConfig, AutoModelForCausalLM

        reader = _reader(gguf)
        config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
        self.gguf = gguf
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        config.tie_word_embeddings = _tie(self._tensors, config.tie_word_embeddings)
        self._architecture = _architecture(reader)
        self._processor = _processor_class(self._architecture)(config=config.to_dict())
        with torch.device("meta"):
            self.model: Any = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))  # type: ignore[no-untyped-call]

    @cached_property
    def weights(self) -> Sequence[StoredWeight]:
        """The weights in the order of a safetensors file: by precision, then by name."""
        shapes = {name: tuple(weight.shape) for name, weight in self.model.named_parameters()}
        tensors = self._by_weight(shapes)
        rows = [StoredWeight(name, shape, self._dtype(shape), tensors[name]) for name, shape in shapes.items()]
        return sorted(rows, key=lambda weight: (list(_DTYPES).index(weight.dtype), weight.name))

    @property
    def size(self) -> int:
        """The bytes of all weights on disk."""
        return sum(weight.size for weight in self.weights)

    @property
    def largest(self) -> int:
        """The bytes of the largest weight as float32, which is what is in memory of the weights."""
        return max(4 * prod(weight.shape) for weight in self.weights)

    def write(self, path: Path) -> None:
        """Write a safetensors file: the header, then each weight's bytes. `path` is there once all of it is."""
        unfinished = path.with_name(f"{path.name}.part")
        with unfinished.open("wb") as file:
            file.write(_header(self.weights))
            for weight in self.weights:
                for values in self._slices(weight):
                    file.write(values)
        unfinished.replace(path)

    def _by_weight(self, shapes: Mapping[str, object]) -> dict[str, Any]:
        """Return the tensor of each weight; refuse a file that lacks one, or holds more than the weights."""
        names = _names_in_file(self._architecture, self.model.config.num_hidden_layers, shapes)
        tensors = {names.get(name, name): tensor for name, tensor in self._tensors.items() if not _is_table(name)}
        check_whole(self.gguf, shapes.keys() - tensors)
        left = tensors.keys() - shapes
        if left:
            raise ModelError(
                f"{self.gguf} holds {len(left)} tensors that its model has no weights for, such as {min(left)}: "
                "use the model's folder of safetensors"
            )
        return tensors

    def _dtype(self, shape: tuple[int, ...]) -> torch.dtype:
        return self.model.dtype if len(shape) > 1 else torch.float32

    def _slices(self, weight: StoredWeight) -> Iterator[memoryview]:
        """Yield the bytes of a weight; only its dequantised values are all in memory."""
        values = self._processor.process(weights=_dequantised(weight.tensor), name=weight.tensor.name).weights
        if values.shape != weight.shape:
            raise ModelError(f"{self.gguf}: {weight.name} has the shape {values.shape} and not {weight.shape}")
        flat = torch.from_numpy(values.reshape(-1))
        for start in range(0, len(flat), _SLICE):
            yield flat[start : start + _SLICE].to(weight.dtype).view(torch.uint8).numpy().data


def check_whole(gguf: Path, missing: Collection[str]) -> None:
    """Refuse a file that lacks weights: transformers would fill them with random numbers."""
    if missing:
        raise ModelError(f"{gguf} lacks {len(missing)} weights of its model, such as {min(missing)}: download it again")


def is_one_to_one(gguf: Path) -> bool:
    """Tell whether the file's architecture makes each weight from one tensor, so that `GgufWeights` can read it."""
    return _architecture(_reader(gguf)) in ONE_TO_ONE


def n_values(gguf: Path) -> int:
    """Return how many values all tensors of the file have together."""
    return sum(int(tensor.n_elements) for tensor in _reader(gguf).tensors)


def _reader(gguf: Path) -> Any:
    import gguf as package

    return package.GGUFReader(gguf)


def _processor_class(architecture: str) -> Any:
    """Return transformers' rules for the values of tensors, which llama.cpp stores in another order or shifted."""
    from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor

    return TENSOR_PROCESSORS.get(architecture, TensorProcessor)


def _architecture(reader: Any) -> str:
    field = reader.fields.get("general.architecture")
    return str(field.contents()) if field else ""


def _names_in_file(architecture: str, n_layers: int, weights: Iterable[str]) -> dict[str, str]:
    """Return the names of tensors and of the weights that they hold, by llama.cpp's own table."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    known = {name: number for number, name in MODEL_ARCH_NAMES.items()}
    table = get_tensor_name_map(known[architecture], n_layers)
    return {table.get_name(weight, try_suffixes=(".weight", ".bias")) or weight: weight for weight in weights}


def _tie(tensors: dict[str, Any], tied: bool) -> bool:
    """Return whether the output layer is the embedding; where the file holds both, keep the one with more bits."""
    embedding, output = tensors.get(_EMBEDDING), tensors.get(_OUTPUT)
    if embedding is None or output is None:
        return tied
    if not tied and not _are_copies(embedding, output):
        return False
    del tensors[_OUTPUT]
    tensors[_EMBEDDING] = max(embedding, output, key=lambda tensor: tensor.n_bytes)
    return True


def _are_copies(first: Any, second: Any) -> bool:
    if list(first.shape) != list(second.shape):
        return False
    step = max(1, len(first.data) // _COMPARED)
    ours, theirs = (_rows(tensor, slice(None, None, step)) for tensor in (first, second))
    return bool(numpy.linalg.norm(ours - theirs) < _COPIES * numpy.linalg.norm(theirs))


def _dequantised(tensor: Any) -> Any:
    """Return a tensor's values as float32, its axes in the order of the model."""
    if tensor.data.ndim < 2:
        return _rows(tensor, slice(None)).copy()
    shape = tuple(int(length) for length in reversed(tensor.shape))
    values, step = numpy.empty(shape, numpy.float32), max(1, _SLICE // prod(shape[1:]))
    for start in range(0, shape[0], step):
        values[start : start + step] = _rows(tensor, slice(start, start + step))
    return values


def _rows(tensor: Any, rows: slice) -> Any:
    from gguf.quants import dequantize

    return dequantize(numpy.ascontiguousarray(tensor.data[rows]), tensor.tensor_type)


def _is_table(name: str) -> bool:
    return any(table in name for table in _POSITIONS)


def _header(weights: Sequence[StoredWeight]) -> bytes:
    """Return the header of a safetensors file: its length in 8 bytes, then JSON, padded with spaces to 8 bytes."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for weight in weights:
        end = start + weight.size
        entries[weight.name] = {"dtype": _DTYPES[weight.dtype], "shape": weight.shape, "data_offsets": (start, end)}
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
