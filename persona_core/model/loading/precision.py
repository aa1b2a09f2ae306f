"""Precisions: what `model.dtype` means, the bytes of a weight, and the options that transformers needs for it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch

from persona_core.errors import ModelError

_PACKAGES = {"int8": "torchao", "nf4": "bitsandbytes"}
_BYTES = {"int8": 1.0, "nf4": 0.52}
"""Bytes of a quantized weight, scales included."""


@dataclass(frozen=True)
class Precision:
    """How linear layers store their weights, and the precision of the residual stream."""

    name: str
    stream: torch.dtype

    @property
    def quantized(self) -> bool:
        """Whether linear layers store weights in fewer bits than they compute with."""
        return self.name in _PACKAGES

    @property
    def bytes_each(self) -> float:
        """The bytes of a weight of a linear layer; all other weights have the precision of the stream."""
        return _BYTES.get(self.name, self.stream.itemsize)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments for `from_pretrained`; raise `ModelError` if their library is not installed."""
        if not self.quantized:
            return {"dtype": self.stream}
        _require(self.name)
        return {"dtype": self.stream, "quantization_config": _int8() if self.name == "int8" else _nf4(self.stream)}


def pick_precision(name: str, device: torch.device) -> Precision:
    """Return the precision of that name; `auto` is float32 on a CPU, float16 on mps and bfloat16 on cuda.

    Quantized weights are computed in bfloat16. docs/performance.md has the figures behind `auto` on a CPU.
    """
    if name in _PACKAGES:
        return Precision(name, torch.bfloat16)
    if name == "auto":
        name = {"cpu": "float32", "mps": "float16"}.get(device.type, "bfloat16")
    return Precision(name, getattr(torch, name))


def _require(name: str) -> None:
    package = _PACKAGES[name]
    if find_spec(package) is None:
        raise ModelError(
            f"model.dtype {name} needs {package}: `python -m pip install 'persona-core[quantized]'`, "
            "or set model.dtype to auto"
        )


def _int8() -> Any:
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    return TorchAoConfig(Int8WeightOnlyConfig())


def _nf4(stream: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=stream,
    )
