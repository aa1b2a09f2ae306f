"""CpuLinear: linear layers that run on a CPU as fast as its memory can deliver the weights.

In float32 torch calls the BLAS that it was built with. We measured it (`tests/bench/cpu_linear.py`,
docs/performance.md): for one row it reads the weights at less than half the memory's rate, unless they are stored
column by column; for more rows oneDNN, which torch ships for its other precisions, is faster. So we store weights that
are taller than wide by column, and leave only single rows to torch.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_TALL = 1.5
"""Ratio of outputs to inputs from which reading by column is faster."""


class CpuLinear(nn.Linear):
    """Computes the product of `nn.Linear` up to rounding, and exactly it under gradients or torch's compiler."""

    def forward(self, hidden: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """Return `hidden @ weight.T + bias`."""
        plain = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if plain or hidden.shape[:-1].numel() < 2 or hidden.dtype != torch.float32:
            return functional.linear(hidden, self.weight, self.bias)
        product: Tensor = _onednn(hidden, self.weight, self.bias, "none", [], "")
        return product


def lay_out(model: nn.Module) -> None:
    """Turn a model's plain float32 linear layers on a CPU into `CpuLinear`; shapes and values stay the same."""
    if _onednn is None:
        return
    layers = [module for module in model.modules() if type(module) is nn.Linear and _is_plain(module.weight)]
    for layer in layers:
        layer.__class__ = CpuLinear
    tall = {id(layer.weight) for layer in layers if layer.out_features >= _TALL * layer.in_features}
    for weight in model.parameters() if layers else ():
        _lay_out(weight, by_column=id(weight) in tall)


def _is_plain(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32


def _lay_out(weight: nn.Parameter, by_column: bool) -> None:
    """Copy a weight out of the mapped file: a single weight left there would keep the whole file resident.

    The parameter stays the same object, so that tied embeddings stay tied.
    """
    weight.data = weight.data.t().contiguous().t() if by_column else weight.data.clone()


def _find_onednn() -> Any:
    """Return oneDNN's linear operation, or None if this build of torch has none."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return None
    return torch.ops.mkldnn._linear_pointwise.default


_onednn = _find_onednn()
