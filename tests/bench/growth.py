"""How cost grows: time a step and memory against steered layers, rows, context, and personas in a blend.

python tests/bench/growth.py [--rounds N] [--write]

Needs matplotlib; `--write` also draws docs/pictures/growth.svg.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from bench_tools import PAGE, arguments, provenance, say, write_section

from persona_core import ModelWrapper, PersonaManager, get_config
from persona_core.model.decoding import Row, Sampling, arm_rows, generate_tokens
from persona_core.steering.blending import BalancedSum, WeightedVector
from persona_core.steering.plan import AddDirection, ClampProjection, ProbeProjection, SteeringPlan

LAYERS, ROWS = (0, 1, 2, 4, 8, 16, 28), (1, 2, 4, 8, 16, 32)
CONTEXTS, BLENDS = (256, 512, 1024, 2048, 4096), (1, 2, 4, 8)
STEPS, PICTURE = 12, PAGE.parent / "pictures" / "growth.svg"
Series = dict[str, list[tuple[int, float, float]]]
"""what grows -> (size, CPU milliseconds, MB)."""


class Bench:
    """The embedded model, and steps of it under plans of every size."""

    def __init__(self, rounds: int) -> None:
        config = get_config(Path(tempfile.mkdtemp()), model="smollm2").replace({"model.context": 2 * CONTEXTS[-1]})
        self.model = ModelWrapper(config)
        vars(self.model)["end_tokens"] = frozenset()
        self.manager = PersonaManager(self.model.config)
        self.rounds, self.chance = rounds, torch.Generator().manual_seed(0)

    def direction(self) -> torch.Tensor:
        """Return a random unit direction."""
        found = torch.randn(self.model.identity.hidden_size, generator=self.chance)
        return found / found.norm()

    def plan(self, n_layers: int) -> SteeringPlan:
        """Return a plan that adds to some layers and floors as many, with a probe."""
        added = tuple(AddDirection(layer, 0.1 * self.direction()) for layer in range(n_layers))
        floors = tuple(ClampProjection(layer, self.direction(), low=0.0) for layer in range(1, n_layers + 1))
        return SteeringPlan(added, floors, (ProbeProjection(1, self.direction()),) if n_layers else ())

    def step(self, n_rows: int, context: int, n_layers: int) -> tuple[float, float]:
        """Return (CPU ms of a step, MB of its cache) once so many rows have read a prompt of that length."""
        prompt, plan = [1, *[500] * (context - 1)], self.plan(n_layers)
        rows = [Row(prompt, plan) for _ in range(n_rows)]
        steps = generate_tokens(
            self.model, rows, Sampling(STEPS * self.rounds + 3, 0.0), armed=arm_rows(self.model, rows)
        )
        next(steps), next(steps)
        times = [cpu_milliseconds(lambda: [next(steps) for _ in range(STEPS)]) / STEPS for _ in range(self.rounds)]
        steps.close()  # type: ignore[attr-defined]
        return median(times), n_rows * context * self._bytes_a_token() / 1e6

    def blend(self, n: int) -> tuple[float, float]:
        """Return (CPU ms to blend personas, MB of their vectors)."""
        names = self.manager.names()
        vectors = [self.manager.persona(names[place % len(names)]) for place in range(n)]
        parts = [WeightedVector(vector, 1 / n) for vector in vectors]
        times = [cpu_milliseconds(lambda: BalancedSum().blend(parts)) for _ in range(self.rounds + 1)]
        size = sum(part.numel() * 4 for vector in vectors for part in (vector.directions, vector.raw))
        return median(times[1:]), size / 1e6

    def _bytes_a_token(self) -> int:
        config: Any = self.model._model.config
        return 2 * 4 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim


def cpu_milliseconds(work: Callable[[], object]) -> float:
    """Return the CPU milliseconds that a piece of work takes."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def measure(bench: Bench) -> Series:
    """Let one thing grow at a time."""
    sizes: dict[str, tuple[Sequence[int], Callable[[int], tuple[float, float]]]] = {
        "steered and floored layers": (LAYERS, lambda n: bench.step(1, 64, n)),
        "rows": (ROWS, lambda n: bench.step(n, 64, 8)),
        "context, tokens": (CONTEXTS, lambda n: bench.step(1, n, 8)),
        "personas in a blend": (BLENDS, bench.blend),
    }
    found: Series = {}
    for name, (steps, work) in sizes.items():
        found[name] = [(size, *work(size)) for size in steps]
        say(f"{name}: measured")
    return found


def tables(found: Series) -> str:
    """Return one table for each thing that grows."""
    parts = []
    for name, rows in found.items():
        what = "CPU ms to blend" if "blend" in name else "CPU ms a step"
        memory = "MB of vectors" if "blend" in name else "MB of cache"
        lines = [f"| {name} | {what} | a second | {memory} |", "|---:|---:|---:|---:|"]
        for size, ms, mb in rows:
            each = size if name == "rows" else 1
            lines.append(f"| {size} | {ms:.1f} | {1000 * each / ms:.1f} | {mb:.1f} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def draw(found: Series, path: Path) -> None:
    """Draw every table."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "growth"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(found), figsize=(3.2 * len(found), 3), layout="constrained")
    for panel, (name, rows) in zip(panels, found.items(), strict=True):
        sizes, ms, mb = zip(*rows, strict=True)
        panel.plot(sizes, ms, marker="o", color="#1f77b4")
        panel.set(xlabel=name, ylim=(0, None))
        panel.set_ylabel("CPU ms", color="#1f77b4")
        other = panel.twinx()
        other.plot(sizes, mb, marker=".", linestyle=":", color="#888888")
        other.set_ylim(0, None)
        other.set_ylabel("MB", color="#888888")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure, print, and keep tables and picture where that is asked for."""
    given = arguments(__doc__, 3).parse_args()
    found = measure(Bench(given.rounds))
    text = f"{provenance()}\n\n{tables(found)}"
    print(text)
    if given.write:
        write_section("growth", text)
        draw(found, PICTURE)


if __name__ == "__main__":
    main()
