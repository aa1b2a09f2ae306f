"""What `gpu.py` looks at beside speed: the floor in the device's precision, parity with a CPU, and left padding."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from persona_core import ModelWrapper, SteeringEngine, get_config
from persona_core.model.decoding import Sampling


def floor_line(bench: Any) -> str:
    """Return whether every floor held, as the receipts of a steered batch say, eager and compiled."""
    prompts, plans = bench.prompts(8), [bench.plan() for _ in range(8)]
    lowest = {
        how: min(fields["floor"].lowest_after for fields in bench.ours(how, prompts, plans)) for how in ("off", "on")
    }
    shown = f"{lowest['off']:+.4f} eager, {lowest['on']:+.4f} compiled"
    return f"Lowest distance above the floor in {bench.models['off'].dtype}: {shown}."


def parity_line(device: torch.device) -> str:
    """Return how many greedy tokens of steered replies agree between this device and a CPU, in float32."""
    ours, cpu = greedy_tokens(device.type), greedy_tokens("cpu")
    same = sum(one == other for one, other in zip(ours, cpu, strict=False))
    return f"SmolLM2, steered, greedy, float32: {same} of {len(cpu)} tokens on {device.type} are those of the CPU."


def greedy_tokens(device: str) -> list[int]:
    """Return the tokens of two steered replies."""
    settings = {"model.device": device, "model.dtype": "float32"}
    engine = SteeringEngine(ModelWrapper(get_config(Path(tempfile.mkdtemp()), model="smollm2").replace(settings)))
    tokens: list[int] = []
    for question in ("What is fire?", "Why do we dream?"):
        stream = engine.stream(question, "sage", sampling=Sampling(48, 0.0))
        list(stream)
        tokens += stream.row.tokens
    return tokens


def padding_line(bench: Any) -> str:
    """Return how far left-padded logits are from unpadded ones, at lengths 0, 1 and 2 modulo 32, unguarded."""
    cells = [f"{padding_difference(bench, length):.3f} at {length}" for length in (96, 97, 98)]
    return f"Largest difference of a left-padded row's logits from its own alone: {', '.join(cells)}."


def padding_difference(bench: Any, length: int) -> float:
    """Return the largest difference of one row's logits, padded to a length and alone."""
    long = torch.randint(1, 500, (length,), generator=bench.chance).tolist()
    short, padding, model = long[: length // 2], length - length // 2, bench.models["off"]
    ids = torch.tensor([[0] * padding + short, long], device=bench.device)
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[0, :padding] = False
    alone = model.forward(torch.tensor([short], device=bench.device)).float()
    return float((model.forward(ids, mask=mask).float()[0] - alone[0]).abs().max())
