"""Precisions: what `model.dtype` stands for, what a weight then takes, and how transformers is asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch

from persona_core.errors import ModelError

_PACKAGES = {"int8": "torchao", "nf4": "bitsandbytes"}
_BYTES = {"int8": 1.0, "nf4": 0.52}
"""Bytes a quantized weight takes, scales included."""


@dataclass(frozen=True)
class Precision:
    """The precision of the residual stream, and how the weights of linear layers are stored."""

    name: str
    stream: torch.dtype

    @property
    def quantized(self) -> bool:
        """Tell whether linear layers are stored in fewer bits than they are computed in."""
        return self.name in _PACKAGES

    @property
    def bytes_each(self) -> float:
        """Bytes a weight of a linear layer takes; all others are stored as the stream is."""
        return _BYTES.get(self.name, self.stream.itemsize)

    def options(self) -> dict[str, Any]:
        """Return what `from_pretrained` is given; raise `ModelError` where the library for it is not installed."""
        if not self.quantized:
            return {"dtype": self.stream}
        _require(self.name)
        return {"dtype": self.stream, "quantization_config": _int8() if self.name == "int8" else _nf4(self.stream)}


def pick_precision(wanted: str, device: torch.device) -> Precision:
    """Return the precision; `auto` is float32 on a CPU, float16 on mps and bfloat16 on cuda.

    Quantized weights are computed in bfloat16. docs/performance.md has the figures behind `auto` on a CPU.
    """
    if wanted in _PACKAGES:
        return Precision(wanted, torch.bfloat16)
    automatic = {"cpu": "float32", "mps": "float16"}.get(device.type, "bfloat16")
    name = automatic if wanted == "auto" else wanted
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
