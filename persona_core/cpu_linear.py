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
    """The same product as `nn.Linear` up to rounding; its very own wherever a gradient may flow."""

    def forward(self, hidden: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """Return `hidden @ weight.T + bias`."""
        if hidden.shape[:-1].numel() < 2 or torch.is_grad_enabled() or hidden.dtype != torch.float32:
            return functional.linear(hidden, self.weight, self.bias)
        found: Tensor = _onednn(hidden, self.weight, self.bias, "none", [], "")
        return found


def lay_out(model: nn.Module) -> None:
    """Make a model's plain float32 linear layers on a CPU quick; their shapes and values stay the same."""
    if _onednn is None:
        return
    for module in model.modules():
        if type(module) is nn.Linear and module.weight.device.type == "cpu" and module.weight.dtype == torch.float32:
            module.__class__ = CpuLinear
            _by_column(module.weight)


def _by_column(weight: Tensor) -> None:
    """Lay out a tall matrix by column, in place: whatever else shares it (tied embeddings) goes on sharing it."""
    n_out, n_in = weight.shape
    if n_out >= _TALL * n_in and weight.is_contiguous():
        weight.data = weight.data.t().contiguous().t()


def _find_onednn() -> Any:
    """Return oneDNN's linear layer; None where this torch has none."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return None
    return torch.ops.mkldnn._linear_pointwise.default


_onednn = _find_onednn()
