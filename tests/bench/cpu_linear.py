"""One linear layer on a CPU: torch's own product and oneDNN's, with weights by row and by column.

python tests/bench/cpu_linear.py [--rounds N] [--threads N ...] [--write]

The shapes are those of SmolLM2-135M and of Qwen2-0.5B. So many copies of each matrix are multiplied in turn that no
cache holds them, as in a model.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from bench_tools import arguments, provenance, write_section
from torch import Tensor
from torch.nn import functional

SHAPES = ((576, 576), (192, 576), (1536, 576), (576, 1536), (49152, 576), (4864, 896), (896, 4864))
ROWS = (1, 2, 8, 50, 200)
_AT_ONCE = 60_000_000
"""Weights that are read in one go: 240 MB."""
Product = Callable[[Tensor, Tensor], Tensor]


def torchs(hidden: Tensor, weight: Tensor) -> Tensor:
    """Multiply as torch does by default."""
    return functional.linear(hidden, weight)


def onednns(hidden: Tensor, weight: Tensor) -> Tensor:
    """Multiply with oneDNN."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(hidden, weight, None, "none", [], "")
    return found


def milliseconds(product: Product, hidden: Tensor, weights: list[Tensor], rounds: int) -> float:
    """Return the median wall milliseconds of one product."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        for weight in weights:
            product(hidden, weight)
        times.append(time.perf_counter() - start)
    return median(times[1:]) * 1000 / len(weights)


def cell(shape: tuple[int, int], n_rows: int, rounds: int) -> str:
    """Return ms of torch by row, oneDNN by row, torch by column, oneDNN by column."""
    by_row = [torch.randn(shape) for _ in range(max(1, _AT_ONCE // (shape[0] * shape[1])))]
    by_column = [weight.t().contiguous().t() for weight in by_row]
    hidden = torch.randn(1, n_rows, shape[1])
    pairs: list[tuple[Product, Any]] = [(torchs, by_row), (onednns, by_row), (torchs, by_column), (onednns, by_column)]
    with torch.inference_mode():
        return " / ".join(f"{milliseconds(product, hidden, weights, rounds):.2f}" for product, weights in pairs)


def table(rounds: int) -> str:
    """Return one row a shape."""
    rows = ["| outputs x inputs | " + " | ".join(f"{n} rows" for n in ROWS) + " |", "|---|" + "---:|" * len(ROWS)]
    for shape in SHAPES:
        cells = [cell(shape, n, rounds) for n in ROWS]
        rows.append(f"| {shape[0]} x {shape[1]} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    """Measure with each number of threads in a process of its own."""
    parser = arguments(__doc__, 5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    given = parser.parse_args()
    if len(given.threads) == 1 and os.environ.get("OMP_NUM_THREADS") == str(given.threads[0]):
        print(table(given.rounds))
        return
    parts = [f"{n} thread{'s' * (n > 1)}:\n\n{measured_apart(given.rounds, n)}" for n in given.threads]
    legend = "Milliseconds: torch by row / oneDNN by row / torch by column / oneDNN by column."
    text = "\n\n".join([provenance(), legend, *parts])
    print(text)
    if given.write:
        write_section("cpu linear", text)


def measured_apart(rounds: int, threads: int) -> str:
    """Run the table in a process with so many threads from its start."""
    words = [sys.executable, __file__, "--rounds", str(rounds), "--threads", str(threads)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
