"""Everything that wants a GPU, in one call: speed and memory of the 7B shape, and what `gpu_numerics` looks at.

python tests/bench/gpu.py [--shape qwen2.5-7b|tiny] [--rounds N] [--tokens N] [--context N]
    [--batches N ...] [--write]

Random weights of the exact shape, in the precision that `auto` gives. `--shape tiny` runs all of it on a CPU in a
minute or two, to see that it works; its figures say nothing.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from bench_tools import embedded_folder, provenance, say, write_section
from gpu_numerics import floor_line, padding_line, parity_line

from persona_core import ModelWrapper, get_config
from persona_core.engine.receipt import steering_fields
from persona_core.model.decoding import Row, Sampling, arm_rows, generate_tokens
from persona_core.model.loading.load import LoadedModel
from persona_core.steering.plan import UNSTEERED, AddDirection, ClampProjection, ProbeProjection, SteeringPlan

SHAPES: dict[str, dict[str, Any]] = {
    "qwen2.5-7b": {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 32768, "rope_theta": 1e6,
    },
    "tiny": {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 512, "max_position_embeddings": 4096,
    },
}  # fmt: skip
PROMPT = 64
GENERATE, EAGER, EAGER_STEERED = "transformers generate", "ours, eager", "ours, eager, steered, floor, receipt"
COMPILED, COMPILED_STEERED = "ours, compiled", "ours, compiled, steered, floor, receipt"
Work = Callable[[], object]


@dataclass(frozen=True)
class Figure:
    """One contestant at one batch: milliseconds a forward, and the highest memory while it ran."""

    ms: float
    peak: float


class Bench:
    """Random weights of a shape, wrapped twice: eager and compiled, sharing the weights."""

    def __init__(self, shape: str, tokens: int, context: int) -> None:
        from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokens, self.context, self.shape = tokens, context, SHAPES[shape]
        config = Qwen2Config(tie_word_embeddings=False, **self.shape)
        torch.manual_seed(0)
        with torch.device(self.device):
            torch.set_default_dtype(torch.bfloat16 if self.device.type == "cuda" else torch.float32)
            self.plain: Any = Qwen2ForCausalLM(config).eval()
            torch.set_default_dtype(torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(embedded_folder())
        self.models = {how: self._wrapped(tokenizer, shape, how) for how in ("off", "on")}
        self.chance = torch.Generator().manual_seed(0)

    def _wrapped(self, tokenizer: Any, shape: str, how: str) -> ModelWrapper:
        weights = copy.deepcopy(self.plain, {id(weight): weight for weight in self.plain.parameters()})
        settings = {"model.compile": how, "model.context": self.context}
        config = get_config(Path(tempfile.mkdtemp()), model="smollm2").replace(settings)
        model = ModelWrapper(config, loaded=LoadedModel(weights, tokenizer, shape, shape), report=say)
        vars(model)["end_tokens"] = frozenset()
        return model

    def prompts(self, rows: int) -> list[list[int]]:
        """Return random prompts of one length."""
        return torch.randint(1, 500, (rows, PROMPT), generator=self.chance).tolist()

    def plan(self) -> SteeringPlan:
        """Return a plan that adds at half of the upper layers and floors the others."""
        n, hidden = self.shape["num_hidden_layers"], self.shape["hidden_size"]
        middle, wide = n // 2, max(n // 4, 1)

        def direction() -> torch.Tensor:
            found = torch.randn(hidden, generator=self.chance)
            return found / found.norm()

        added = tuple(AddDirection(layer, 0.1 * direction()) for layer in range(middle - wide, middle))
        floors = tuple(ClampProjection(layer, direction(), low=0.0) for layer in range(middle, middle + wide))
        return SteeringPlan(added, floors, (ProbeProjection(middle, direction()),))

    def generate(self, prompts: Sequence[Sequence[int]]) -> None:
        """Decode with transformers' own loop."""
        ids = torch.tensor(prompts, device=self.device)
        with torch.inference_mode():
            self.plain.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=self.tokens, do_sample=False,
                eos_token_id=None, pad_token_id=0,
            )  # fmt: skip

    def ours(self, how: str, prompts: Sequence[Sequence[int]], plans: Sequence[SteeringPlan]) -> list[dict[str, Any]]:
        """Decode with our loop; return the measured part of the receipts."""
        model, rows = self.models[how], [Row(prompt, plan) for prompt, plan in zip(prompts, plans, strict=True)]
        armed = arm_rows(model, rows)
        for _ in generate_tokens(model, rows, Sampling(self.tokens, 0.0), armed=armed):
            pass
        return [steering_fields(row.plan, armed, place) for place, row in enumerate(rows)]

    def contestants(self, rows: int) -> dict[str, Work]:
        """Return every way of decoding a batch."""
        prompts, plans = self.prompts(rows), [self.plan() for _ in range(rows)]
        return {
            GENERATE: lambda: self.generate(prompts),
            EAGER: lambda: self.ours("off", prompts, [UNSTEERED] * rows),
            EAGER_STEERED: lambda: self.ours("off", prompts, plans),
            COMPILED: lambda: self.ours("on", prompts, [UNSTEERED] * rows),
            COMPILED_STEERED: lambda: self.ours("on", prompts, plans),
        }

    def wait(self) -> None:
        """Wait for the GPU."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def measure(self, rows: int, rounds: int) -> dict[str, Figure]:
        """Run the contestants in turn; the first round, which compiles, is not counted."""
        works = self.contestants(rows)
        times: dict[str, list[float]] = {name: [] for name in works}
        peaks = dict.fromkeys(works, 0.0)
        for turn in range(rounds + 1):
            for name, work in works.items():
                self._reset()
                start = time.perf_counter()
                work()
                self.wait()
                if turn:
                    times[name].append((time.perf_counter() - start) / self.tokens * 1000)
                    peaks[name] = max(peaks[name], self._peak())
            say(f"batch {rows}: round {turn} of {rounds}")
        return {name: Figure(median(times[name]), peaks[name]) for name in works}

    def _reset(self) -> None:
        self.wait()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def _peak(self) -> float:
        return torch.cuda.max_memory_allocated() / 1e9 if self.device.type == "cuda" else 0.0


def bandwidth_floor(bench: Bench) -> tuple[float, float]:
    """Return (GB/s of a large copy, reads and writes counted; ms to read every weight but the embeddings once)."""
    size = 2_000_000_000 if bench.device.type == "cuda" else 50_000_000
    source = torch.empty(size, dtype=torch.uint8, device=bench.device)
    target, times = torch.empty_like(source), []
    for _ in range(10):
        bench.wait()
        start = time.perf_counter()
        target.copy_(source)
        bench.wait()
        times.append(time.perf_counter() - start)
    rate = 2 * size / min(times)
    weights = sum(weight.numel() * weight.itemsize for weight in bench.plain.parameters())
    embeddings = bench.plain.get_input_embeddings().weight
    return rate / 1e9, (weights - embeddings.numel() * embeddings.itemsize) / rate * 1000


def speed_table(bench: Bench, batches: Sequence[int], rounds: int) -> Iterator[str]:
    """Yield the table, and what of it was aimed at."""
    rate, floor = bandwidth_floor(bench)
    yield f"Copies move {rate:.0f} GB/s; reading the weights once at that rate takes {floor:.2f} ms."
    rows = ["| rows | contestant | ms a step | times `generate` | share of the bandwidth floor | peak GB |"]
    rows.append("|---:|---|" + "---:|" * 4)
    for size in batches:
        found = bench.measure(size, rounds)
        for name, figure in found.items():
            times, share = found[GENERATE].ms / figure.ms, floor / figure.ms
            rows.append(f"| {size} | {name} | {figure.ms:.2f} | {times:.2f} | {share:.2f} | {figure.peak:.2f} |")
        steered = found[COMPILED].ms / found[COMPILED_STEERED].ms
        eager = (found[EAGER_STEERED].ms - found[EAGER].ms) / found[EAGER].ms
        yield (
            f"{size} rows: compiled steered is {steered:.3f} times as fast as compiled unsteered (aimed at: 0.98); "
            f"steering and receipt cost {eager:.1%} of an eager step (aimed at: 3 %)."
        )
    yield "\n".join(rows)


def context_line(bench: Bench) -> str:
    """Return the highest memory of one compiled, steered reply that fills the whole context."""
    tokens, bench.tokens = bench.tokens, min(bench.tokens, 32)
    prompt = torch.randint(1, 500, (1, bench.context - bench.tokens - 1), generator=bench.chance).tolist()
    bench._reset()
    bench.ours("on", prompt, [bench.plan()])
    bench.wait()
    bench.tokens = tokens
    return f"A compiled, steered reply at a context of {bench.context:,}: peak {bench._peak():.2f} GB (aimed at: 15.9)."


def main() -> None:
    """Measure, print, and keep the section where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="qwen2.5-7b")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.shape != "tiny" and not torch.cuda.is_available():
        raise SystemExit("the 7B shape wants a GPU; `--shape tiny` tries the script out on a CPU")
    bench = Bench(given.shape, given.tokens, given.context)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    parts = [
        provenance(),
        f"Device: {device}. Shape {given.shape}, {bench.models['off'].dtype}.",
        *speed_table(bench, given.batches, given.rounds),
        context_line(bench),
        floor_line(bench),
        parity_line(bench.device),
        padding_line(bench),
    ]
    text = "\n\n".join(parts)
    print(text)
    if given.write:
        write_section("gpu", text)


if __name__ == "__main__":
    main()
