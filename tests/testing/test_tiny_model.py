"""The tiny model is the same each time, and everything but its words is real."""

from pathlib import Path

import torch

from persona_core import Sampling, SteeringEngine
from persona_core.testing.tiny_model import CAPPING_LAYERS, LAYERS, PERSONAS, TARGET_LAYERS, example_engine


def test_two_tiny_models_are_the_same(tiny_engine: SteeringEngine, tmp_path: Path) -> None:
    other = example_engine(tmp_path, tiny_engine.manager.plugins)
    assert other.model.identity == tiny_engine.model.identity
    greedy = Sampling(6, 0.0)
    (one,), (two,) = (engine.generate(["What is fire?"], sampling=greedy) for engine in (tiny_engine, other))
    assert one.text == two.text


def test_its_personas_are_steered_and_its_floor_is_held(tiny_engine: SteeringEngine) -> None:
    assert tiny_engine.manager.names() == list(PERSONAS)
    assert tiny_engine.model.n_layers == LAYERS
    (reply,) = tiny_engine.generate(["What is fire?"], ["sage"], sampling=Sampling(6, 1.0))
    assert reply.receipt.reply_tokens == 6
    assert list(reply.receipt.relative_change)[: len(TARGET_LAYERS)] == list(TARGET_LAYERS)
    assert reply.receipt.floor is not None
    assert tuple(reply.receipt.floor.layers) == CAPPING_LAYERS


def test_making_it_leaves_the_random_state_alone(tiny_engine: SteeringEngine, tmp_path: Path) -> None:
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    example_engine(tmp_path, tiny_engine.manager.plugins)
    assert torch.equal(torch.rand(1), first)
