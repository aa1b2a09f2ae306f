"""What batching saves: samples a second of an Inspect evaluation, one by one and in batches, turn by turn.

python plugins/persona-inspect/bench/batching.py [ROUNDS]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from statistics import median

import torch
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, Model, get_model
from inspect_ai.solver import generate

SIZES = (1, 4, 8, 16)
SAMPLES, TOKENS = 32, 24
QUESTIONS = ("What is luck?", "How do I learn to swim?", "Why is the sky blue?", "What makes a good friend?")


def main(rounds: int) -> None:
    """Print one row a batch size; a first round that loads and warms is not counted."""
    found: dict[int, list[tuple[float, float]]] = {size: [] for size in SIZES}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PERSONA_STEER_HOME"] = folder
        models = {size: get_model("persona/smollm2", persona="sage", max_batch=size) for size in SIZES}
        for turn in range(rounds + 1):
            for size in SIZES[turn % len(SIZES) :] + SIZES[: turn % len(SIZES)]:
                spent = run(models[size], folder, SAMPLES if turn else 2)
                found[size] += [spent] if turn else []
    report(found, rounds)


def run(model: Model, folder: str, n_samples: int) -> tuple[float, float]:
    """Run one evaluation; return its wall and CPU seconds."""
    samples = [Sample(f"{QUESTIONS[place % len(QUESTIONS)]} ({place})") for place in range(n_samples)]
    config = GenerateConfig(max_tokens=TOKENS, temperature=0.7)
    task = Task(dataset=samples, solver=generate(), config=config)
    wall, cpu = time.perf_counter(), time.process_time()
    (log,) = eval(task, model=model, log_dir=folder, display="none")
    assert log.status == "success", log.error
    return time.perf_counter() - wall, time.process_time() - cpu


def report(found: dict[int, Sequence[tuple[float, float]]], rounds: int) -> None:
    """Print the machine and the table."""
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{SAMPLES} samples of at most {TOKENS} tokens, sage at strength 1.0 with its floor; median of {rounds}\n")
    print("| max_batch | samples a second | CPU seconds | times one by one |\n|---:|---:|---:|---:|")
    alone = [wall for wall, _ in found[1]]
    for size, spent in found.items():
        walls, cpus = zip(*spent, strict=True)
        ratio = median(one / wall for one, wall in zip(alone, walls, strict=True))
        print(f"| {size} | {SAMPLES / median(walls):.2f} | {median(cpus):.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
