"""Memory plans: reckon what a model takes on its device before any weight is read, and refuse one that cannot fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from persona_core.errors import ModelError
from persona_core.model.architecture import auto_class
from persona_core.model.loading.precision import Precision, pick_precision

_SMALLER = ("bfloat16", "int8", "nf4")
_DIRECTIONS = 4
"""Directions that steering keeps on the device for each layer: an addition, two floors and a probe."""


@dataclass(frozen=True)
class MemoryPlan:
    """The bytes of the weights, of the key-value cache for one full context, and of steering, on a device."""

    device: torch.device
    precision: Precision
    context: int
    weights: int
    cache: int
    steering: int

    @property
    def total(self) -> int:
        """All bytes together."""
        return self.weights + self.cache + self.steering

    def line(self) -> str:
        """Return the plan as one line for the user."""
        return (
            f"memory on {self.device}, {self.precision.name}: {_gb(self.weights)} of weights, {_gb(self.cache)} for a "
            f"context of {self.context:,} tokens, {_mb(self.steering)} for steering"
        )


def reckon(config: Any, precision: Precision, device: torch.device, context: int) -> MemoryPlan:
    """Return the plan for the model of a transformers configuration; its modules are built without data."""
    weights = _weights(_skeleton(config), precision)
    return MemoryPlan(device, precision, context, weights, _cache(config, precision, context), _steering(config))


def check_fits(plan: MemoryPlan, config: Any, free: int, name: str) -> None:
    """Raise a `ModelError` that says what would fit, if the plan is larger than the free memory."""
    if plan.total <= free:
        return
    others = [reckon(config, pick_precision(name, plan.device), plan.device, plan.context) for name in _SMALLER]
    fitting = [f"{other.precision.name} ({_gb(other.total)})" for other in others if other.total <= free]
    remedies = [f"set model.dtype to {' or '.join(fitting)}"] if fitting else ["use a smaller model"]
    remedies += [f"a smaller model.context than {plan.context:,}"] if plan.cache > plan.total // 10 else []
    size = f"{_gb(plan.total)} in all, and {_gb(free)} are free"
    raise ModelError(f"{name} does not fit: {plan.line()}: {size}. Try: {', or '.join(remedies)}")


def check_memory(size: int, title: str) -> None:
    """Raise `ModelError` where a conversion of the model `title` that takes `size` bytes finds less memory free."""
    free = free_memory(torch.device("cpu"))
    if size > free:
        raise ModelError(
            f"{title} needs {_gb(size)} of memory while it is converted, and {_gb(free)} are free; "
            "use a smaller model, or convert it on another machine and copy the folder"
        )


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def _skeleton(config: Any) -> nn.Module:
    with torch.device("meta"):
        model: nn.Module = auto_class(config).from_config(config)
    return model


def _weights(model: nn.Module, precision: Precision) -> int:
    """Return the bytes of all weights; tied weights count once, and the output layer is not quantized."""
    head = getattr(model, "lm_head", None)
    linear = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear) and module is not head}

    def size(weight: nn.Parameter) -> float:
        return weight.numel() * (precision.bytes_each if id(weight) in linear else precision.stream.itemsize)

    return int(sum(size(weight) for weight in model.parameters()))


def _cache(config: Any, precision: Precision, context: int) -> int:
    """Return the bytes of one row's keys and values."""
    text = config.get_text_config()
    heads, width = key_value_shape(text)
    return int(2 * text.num_hidden_layers * heads * width * context * precision.stream.itemsize)


def key_value_shape(text_config: Any) -> tuple[int, int]:
    """Return (heads, width of a head) of a layer's keys and values."""
    heads = getattr(text_config, "num_key_value_heads", None) or text_config.num_attention_heads
    width = getattr(text_config, "head_dim", None) or text_config.hidden_size // text_config.num_attention_heads
    return heads, width


def _steering(config: Any) -> int:
    text = config.get_text_config()
    return int(_DIRECTIONS * text.num_hidden_layers * text.hidden_size * torch.float32.itemsize)


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
