"""Linear layers on a CPU: the same product, whatever the number of rows and however the weights lie."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from persona_core.model.cpu_linear import CpuLinear, lay_out
from persona_core.model.wrapper import ModelWrapper

SIZES = st.integers(1, 40)


@given(n_in=SIZES, n_out=SIZES, rows=st.integers(0, 9), bias=st.booleans(), seed=st.integers(0, 99))
def test_the_product_is_that_of_a_plain_layer(n_in: int, n_out: int, rows: int, bias: bool, seed: int) -> None:
    torch.manual_seed(seed)
    layer, hidden = nn.Linear(n_in, n_out, bias), torch.randn(2, rows, n_in)
    with torch.inference_mode():
        expected = layer(hidden)
        lay_out(layer)
        torch.testing.assert_close(layer(hidden), expected)
    assert isinstance(layer, CpuLinear)


def test_a_gradient_flows_through() -> None:
    layer, hidden = nn.Linear(4, 9), torch.randn(3, 4, requires_grad=True)
    (expected,) = torch.autograd.grad(layer(hidden).square().sum(), hidden)
    lay_out(layer)
    (gradient,) = torch.autograd.grad(layer(hidden).square().sum(), hidden)
    torch.testing.assert_close(gradient, expected)


def test_tied_weights_stay_tied_and_in_one_place() -> None:
    model = nn.ModuleDict({"embed": nn.Embedding(50, 8), "head": nn.Linear(8, 50, bias=False)})
    model["head"].weight = model["embed"].weight
    before = model["embed"].weight.detach().clone()
    lay_out(model)
    assert model["head"].weight is model["embed"].weight
    assert not model["head"].weight.is_contiguous()
    torch.testing.assert_close(model["embed"](torch.arange(50)), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_precisions_are_left_alone(dtype: torch.dtype) -> None:
    layer = nn.Linear(4, 9).to(dtype)
    lay_out(layer)
    assert type(layer) is nn.Linear


def test_every_linear_layer_of_the_embedded_model_is_laid_out(model: ModelWrapper) -> None:
    layers = [module for module in model._model.modules() if isinstance(module, nn.Linear)]
    assert layers
    assert all(isinstance(layer, CpuLinear) for layer in layers)
