"""Decoding: plain `generate` of transformers, ours unsteered, ours steered with floor and receipt, and peers.

python tests/bench/decode_speed.py [--shape smollm2|qwen2-0.5b] [--rounds N] [--tokens N] [--threads N ...] [--write]

Every contestant has the same weights and decodes greedily from one prompt, turn by turn. Peers that are installed
(`decode_peers`) take part; what they add is our displacement, at the same layers, and they hold no floor and keep no
receipt.
"""

from __future__ import annotations

import argparse
import copy
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from bench_tools import Timing, Work, interleaved, plain_model, provenance, write_section
from decode_peers import peers

from persona_core import ModelWrapper, get_config
from persona_core.base.messages import question_messages
from persona_core.engine.receipt import steering_fields
from persona_core.model.decoding import Row, Sampling, arm_rows, generate_tokens, lanes_of
from persona_core.model.loading.load import LoadedModel
from persona_core.steering.plan import UNSTEERED, AddDirection, ClampProjection, ProbeProjection, SteeringPlan

QUESTION = "My neighbour plays loud music every night. What should I do?"
N_LAYERS, ROWS = 8, 8
PLAIN, BATCHED = "transformers generate", "transformers generate, 8 rows"
OURS, OURS_BATCHED = "ours, 8 layers added, 8 floored, receipt", "ours, 8 rows, 8 plans, floor, receipt"
GUIDED, GUIDED_BATCHED = "the same, guided", "ours, 8 rows, 8 plans, floor, receipt, guided"


class Bench:
    """A wrapped model, and a plain one that never stops early, its weights laid out as transformers does."""

    def __init__(self, shape: str, tokens: int) -> None:
        config = get_config(Path(tempfile.mkdtemp()), model="smollm2")
        loaded = shaped(ModelWrapper(config), shape)
        self.plain = copy.deepcopy(loaded.model)
        self.model = ModelWrapper(config, loaded=loaded)
        vars(self.model)["end_tokens"] = frozenset()
        self.prompt, self.tokens = self.model.encode(question_messages(QUESTION)), tokens
        self.chance = torch.Generator().manual_seed(0)

    @property
    def question(self) -> str:
        """What the prompt asks."""
        return QUESTION

    def generate(self, rows: int = 1, model: Any = None) -> list[list[int]]:
        """Decode with transformers' own loop."""
        ids = torch.tensor([self.prompt] * rows)
        with torch.inference_mode():
            found = (model or self.plain).generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self.tokens,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
        return [row[ids.shape[1] :].tolist() for row in found]

    def ours(self, plans: Sequence[SteeringPlan]) -> list[list[int]]:
        """Decode with our loop, receipt included."""
        rows = [Row(self.prompt, plan) for plan in plans]
        armed = arm_rows(self.model, rows)
        for _ in generate_tokens(self.model, rows, Sampling(self.tokens, 0.0), armed=armed):
            pass
        for row, lanes in zip(rows, lanes_of(rows), strict=True):
            steering_fields(row.plan, armed, *reversed(lanes))
        return [row.tokens for row in rows]

    def plan(self) -> SteeringPlan:
        """Return a plan that adds a small random direction at 8 layers and floors 8 others, some of it in force."""
        first = self.model.n_layers // 4
        added = tuple(AddDirection(layer, 0.5 * self._random()) for layer in range(first, first + N_LAYERS))
        capped = range(first + N_LAYERS, first + 2 * N_LAYERS)
        floors = tuple(ClampProjection(layer, unit(self._random()), low=0.0) for layer in capped)
        return SteeringPlan(added, floors, (ProbeProjection(capped[-1], unit(self._random())),))

    def _random(self) -> torch.Tensor:
        return torch.randn(self.model.identity.hidden_size, generator=self.chance)


def shaped(model: ModelWrapper, shape: str) -> LoadedModel:
    """Return the embedded model, or random weights of another shape with its tokenizer."""
    loaded = LoadedModel(model._model, model.tokenizer, model.identity.name, model.identity.slug)
    if shape == "smollm2":
        return replace(loaded, model=plain_model())
    from transformers import Qwen2Config, Qwen2ForCausalLM

    size = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14}
    config = Qwen2Config(vocab_size=151936, num_key_value_heads=2, tie_word_embeddings=True, **size)
    torch.manual_seed(0)
    return replace(loaded, model=Qwen2ForCausalLM(config).eval(), name=shape, slug=shape)


def unit(direction: torch.Tensor) -> torch.Tensor:
    """Return a direction at length 1."""
    return direction / direction.norm()


def contestants(bench: Bench) -> dict[str, Work]:
    """Return every contestant's work, batches of 8 rows last."""
    plans = [bench.plan() for _ in range(ROWS)]
    guided = [replace(plan, guidance=3.0) for plan in plans]
    assert bench.ours([UNSTEERED]) == bench.generate(), "unsteered, ours and transformers' tokens differ"
    return {
        PLAIN: bench.generate,
        "ours, unsteered": lambda: bench.ours([UNSTEERED]),
        OURS: lambda: bench.ours(plans[:1]),
        GUIDED: lambda: bench.ours(guided[:1]),
        **dict(peers(bench, {item.layer: item.direction for item in plans[0].additions})),
        BATCHED: lambda: bench.generate(ROWS),
        "ours, 8 rows, unsteered": lambda: bench.ours([UNSTEERED] * ROWS),
        OURS_BATCHED: lambda: bench.ours(plans),
        GUIDED_BATCHED: lambda: bench.ours(guided),
    }


def table(found: dict[str, Timing], tokens: int) -> str:
    """Return one row a contestant."""
    rows = ["| contestant | CPU ms a token | wall ms a token | speed | lowest | highest |", "|---|" + "---:|" * 5]
    for name, timing in found.items():
        batched = "8 rows" in name
        cpu, wall = timing.per(tokens * (ROWS if batched else 1))
        speed = timing.speed(found[BATCHED if batched else PLAIN])
        rows.append(f"| {name} | {cpu:.1f} | {wall:.1f} | " + " | ".join(f"{value:.3f}" for value in speed) + " |")
    return "\n".join(rows)


def main() -> None:
    """Measure with each number of threads in a process of its own, and keep the tables where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=("smollm2", "qwen2-0.5b"), default="smollm2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if len(given.threads) == 1 and os.environ.get("OMP_NUM_THREADS") == str(given.threads[0]):
        bench = Bench(given.shape, given.tokens)
        print(table(interleaved(contestants(bench), given.rounds), given.tokens))
        return
    parts = [f"{threads} thread{'s' * (threads > 1)}:\n\n{measured_apart(given, threads)}" for threads in given.threads]
    print("\n\n".join(parts))
    if given.write:
        text = "\n\n".join([provenance("steering-vectors", "repeng", "saklas", "repsteer", "nnterp"), *parts])
        write_section(f"decode {given.shape}", text)


def measured_apart(given: argparse.Namespace, threads: int) -> str:
    """Run the contest in a process with so many threads from the start: idle workers of a larger pool burn time."""
    words = ["--shape", given.shape, "--rounds", str(given.rounds), "--tokens", str(given.tokens)]
    return subprocess.run(
        [sys.executable, __file__, *words, "--threads", str(threads)],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()


if __name__ == "__main__":
    main()
