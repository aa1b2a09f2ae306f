"""Precisions on a CPU: speed, memory, and what each costs in quality against float32.

python tests/bench/precisions.py [--rounds N] [--tokens N] [--write]

Needs `pip install "persona-core[quantized]"`. Quality: perplexity of hand-written neutral texts, KL from float32 on
them, and the matrix of teacher-forced gains (each persona at strength 1.0, on texts in each persona's voice), double
centred: the mean of its diagonal, and how many rows and columns the own persona wins.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from bench_tools import arguments, provenance, say, write_section
from torch import Tensor

from persona_core import ModelWrapper, PersonaManager, get_config
from persona_core.base.messages import question_messages
from persona_core.evaluation.prompt_set import join
from persona_core.evaluation.statistics import columns_won, double_centre, rows_won
from persona_core.extraction.layer_bands import dose_plan
from persona_core.model.decoding import Row, Sampling, generate_tokens
from persona_core.model.scoring import plan_gains
from persona_core.plugins.loading import load_plugins
from persona_core.steering.plan import SteeringPlan
from persona_core.vectors.vector import PersonaVector

PRECISIONS = ("float32", "bfloat16", "int8", "nf4")
PERSONAS = ("creator", "explorer", "guardian", "sage", "trickster")
QUESTION, ROWS, QUESTIONS, TEXTS = "My neighbour plays loud music every night. What should I do?", 8, 6, 12


@dataclass(frozen=True)
class Found:
    """What one precision was measured to do."""

    load: float
    one: float
    batch: float
    weights: int
    log_probs: list[Tensor]
    tokens: list[list[int]]
    gains: Tensor


class Bench:
    """What is asked of every precision."""

    def __init__(self, rounds: int, n_tokens: int) -> None:
        self.rounds, self.n_tokens = rounds, n_tokens
        self.plugins = load_plugins()
        self.prompts = join(self.plugins.values("register_prompt_sets"))
        self.folder = Path(tempfile.mkdtemp())

    def measure(self, dtype: str) -> Found:
        """Load the model in a precision and measure it."""
        config = get_config(self.folder, model="smollm2", plugins=self.plugins).replace({"model.dtype": dtype})
        start = time.perf_counter()
        model = ModelWrapper(config, plugins=self.plugins)
        load = time.perf_counter() - start
        manager = PersonaManager(config, plugins=self.plugins)
        plans = [calibrated_plan(manager.persona(name)) for name in PERSONAS]
        say(f"{dtype}: loaded")
        one, batch = (self._speed(model, [plans[row % len(plans)] for row in range(n)]) for n in (1, ROWS))
        tokens, log_probs = self._read(model)
        return Found(load, one, batch, weight_bytes(model), log_probs, tokens, self._gains(model, plans))

    def _speed(self, model: ModelWrapper, plans: Sequence[SteeringPlan]) -> float:
        """Return CPU milliseconds a token."""
        vars(model)["end_tokens"] = frozenset()
        times = []
        for _ in range(self.rounds + 1):
            rows = [Row(model.encode(question_messages(QUESTION)), plan) for plan in plans]
            start = time.process_time()
            for _step in generate_tokens(model, rows, Sampling(self.n_tokens, 0.0)):
                pass
            times.append((time.process_time() - start) * 1000 / self.n_tokens / len(plans))
        return median(times[1:])

    def _read(self, model: ModelWrapper) -> tuple[list[list[int]], list[Tensor]]:
        """Return the neutral texts' tokens and the log-probabilities of what follows each."""
        tokens = [model.tokenizer(text)["input_ids"] for text in self.prompts.neutral[:TEXTS]]
        logits = [model.forward(torch.tensor([ids]), keep_logits=len(ids))[0].float() for ids in tokens]
        return tokens, [torch.log_softmax(each, -1) for each in logits]

    def _gains(self, model: ModelWrapper, plans: Sequence[SteeringPlan]) -> Tensor:
        """Return how much likelier each plan makes texts in each persona's voice, question by question."""
        voices = self.prompts.held_out
        asked = [model.encode(question_messages(question)) for question in voices.questions[:QUESTIONS]]
        columns = []
        for name in PERSONAS:
            replies = [model.tokenizer(text)["input_ids"] for text in voices.voices[name][:QUESTIONS]]
            columns.append(plan_gains(model, asked, replies, plans))
            say(f"voice of the {name} read")
        return torch.stack(columns, -1)


def calibrated_plan(vector: PersonaVector) -> SteeringPlan:
    """Return what strength 1.0 adds, without a floor."""
    assert vector.header.calibration is not None
    return dose_plan(vector, vector.header.calibration.dose)


def weight_bytes(model: ModelWrapper) -> int:
    """Return the bytes of all weights as they are stored, scales included."""
    folder = Path(tempfile.mkdtemp()) / "weights.pt"
    torch.save(model._model.state_dict(), folder)
    return os.path.getsize(folder)


def perplexity(found: Found) -> float:
    """Return the perplexity of the neutral texts."""
    losses = [
        -rows[:-1].gather(-1, torch.tensor(ids)[1:, None])
        for rows, ids in zip(found.log_probs, found.tokens, strict=True)
    ]
    return float(torch.cat(losses).mean().exp())


def kl(reference: Found, found: Found) -> float:
    """Return the mean KL a token from the reference's predictions, in nats."""
    pairs = zip(reference.log_probs, found.log_probs, strict=True)
    return float(torch.cat([(one.exp() * (one - other)).sum(-1) for one, other in pairs]).mean())


def table(found: dict[str, Found]) -> str:
    """Return one row a precision."""
    heads = [
        "load s",
        "1 row, ms",
        "8 rows, ms",
        "weights MB",
        "perplexity",
        "KL",
        "own gain, centred",
        "rows, columns",
    ]
    rows = ["| precision | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for name, each in found.items():
        own = float(double_centre(each.gains.mean(1)).diagonal().mean())
        cells = [f"{each.load:.1f}", f"{each.one:.1f}", f"{each.batch:.1f}", f"{each.weights / 1e6:.0f}",
                 f"{perplexity(each):.2f}", f"{kl(found['float32'], each):.4f}", f"{own:.3f}",
                 f"{rows_won(each.gains)}, {columns_won(each.gains)}"]  # fmt: skip
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    """Measure, print, and keep the table where that is asked for."""
    parser = arguments(__doc__, 5)
    parser.add_argument("--tokens", type=int, default=24)
    given = parser.parse_args()
    bench, found = Bench(given.rounds, given.tokens), {}
    for dtype in PRECISIONS:
        found[dtype] = bench.measure(dtype)
        gc.collect()
    legend = "CPU milliseconds a token, steered, without a floor; KL in nats a token; gains in nats a token."
    text = f"{provenance('torchao', 'bitsandbytes')}\n\n{legend}\n\n{table(found)}"
    print(text)
    if given.write:
        write_section("precisions", text)


if __name__ == "__main__":
    main()
