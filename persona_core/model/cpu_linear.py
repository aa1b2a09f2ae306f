"""Linear layers on a CPU, read as fast as the memory allows.

In float32 torch calls the BLAS that it was built with. Where that was measured (`tests/bench/cpu_linear.py`,
docs/performance.md) it reads the weights of one row at less than half the memory's rate, unless they lie by column;
and with more rows oneDNN, which torch brings for its other precisions, is quicker than it. So weights that are taller
than wide are laid out by column, and only a single row is left to torch.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_TALL = 1.5
"""Times as many outputs as inputs from which reading by column is quicker."""


class CpuLinear(nn.Linear):
    """The same product as `nn.Linear` up to rounding; its very own where a gradient may flow, or torch compiles."""

    def forward(self, hidden: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """Return `hidden @ weight.T + bias`."""
        plain = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if plain or hidden.shape[:-1].numel() < 2 or hidden.dtype != torch.float32:
            return functional.linear(hidden, self.weight, self.bias)
        found: Tensor = _onednn(hidden, self.weight, self.bias, "none", [], "")
        return found


def lay_out(model: nn.Module) -> None:
    """Make a model's plain float32 linear layers on a CPU quick; their shapes and values stay the same."""
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
    """Move a weight to memory of its own: one that stayed in the file's mapping would keep all of it resident.

    In place, so that whatever shares it (tied embeddings) goes on sharing it.
    """
    weight.data = weight.data.t().contiguous().t() if by_column else weight.data.clone()


def _find_onednn() -> Any:
    """Return oneDNN's linear layer; None where this torch has none."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return None
    return torch.ops.mkldnn._linear_pointwise.default


_onednn = _find_onednn()
