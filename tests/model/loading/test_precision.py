"""Precisions: each name is what its device is best at, and steering keeps its floor in every one of them."""

from pathlib import Path

import pytest
import torch

from persona_core import ModelWrapper, SteeringEngine, get_config
from persona_core.model.decoding import Sampling
from persona_core.model.loading.precision import pick_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("device", "stream"), [("cpu", "float32"), ("mps", "float16"), ("cuda", "bfloat16")])
def test_auto_is_what_suits_the_device(device: str, stream: str) -> None:
    precision = pick_precision("auto", torch.device(device))
    assert (precision.name, precision.stream, precision.quantized) == (stream, getattr(torch, stream), False)
    assert precision.options() == {"dtype": getattr(torch, stream)}


@pytest.mark.parametrize(("name", "size"), [("float32", 4), ("bfloat16", 2), ("float16", 2)])
def test_a_plain_precision_takes_the_bytes_of_its_numbers(name: str, size: int) -> None:
    precision = pick_precision(name, CPU)
    assert (precision.name, precision.bytes_each) == (name, size)


@pytest.mark.parametrize(("name", "most"), [("int8", 1.0), ("nf4", 0.6)])
def test_quantized_weights_take_less_and_are_computed_in_bfloat16(name: str, most: float) -> None:
    precision = pick_precision(name, CPU)
    assert precision.quantized
    assert precision.stream == torch.bfloat16
    assert 0.5 <= precision.bytes_each <= most


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "int8", "nf4"])
def test_the_embedded_model_is_steered_under_its_floor_in_other_precisions(dtype: str, tmp_path: Path) -> None:
    config = get_config(tmp_path, model="smollm2").replace({"model.dtype": dtype})
    engine = SteeringEngine(ModelWrapper(config))
    stream = engine.stream("What makes a good life?", "sage", sampling=Sampling(24, 0.0))
    text = "".join(stream)
    floor = stream.reply.receipt.floor
    assert len(text.split()) > 8
    assert floor is not None
    assert floor.hits > 0
    assert floor.lowest_before < 0 <= floor.lowest_after
