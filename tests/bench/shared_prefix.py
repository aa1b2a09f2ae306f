"""What shared beginnings save: capture, scoring and rollouts, each against whole rows, turn by turn.

python tests/bench/shared_prefix.py [ROUNDS]
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path
from statistics import median

import torch
from bench_tools import Work, interleaved

from persona_core import ActivationExtractor, ModelWrapper, PersonaManager, get_config
from persona_core.base.messages import question_messages
from persona_core.extraction.data import persona_dataset
from persona_core.model.decoding import Row, Sampling, generate_tokens
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import plan_cost, reply_log_probs
from persona_core.steering.plan import AddDirection, SteeringPlan

REPLY = 48
QUESTIONS = 6


def main(rounds: int) -> None:
    """Print one line a piece of work: CPU seconds with whole rows and with shared ones, and their ratio."""
    model = ModelWrapper(get_config(Path(tempfile.mkdtemp()), model="smollm2"))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads")
    print(f"torch {torch.__version__}; OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}")
    print(f"command: python {' '.join(sys.argv)}; CPU seconds, median of {rounds}, interleaved\n")
    print(f"{'work':34} {'whole':>7} {'shared':>7} {'ratio':>6}")
    for name, work in works(model).items():
        found = interleaved(turns(model, work), rounds)
        whole, shared = (median(found[name].cpu) for name in ("whole", "shared"))
        print(f"{name:34} {whole:7.2f} {shared:7.2f} {shared / whole:6.2f}", flush=True)


def turns(model: ModelWrapper, work: Work) -> dict[str, Work]:
    """Return the work with whole rows and with shared beginnings."""

    def run(shares: bool) -> None:
        vars(model)["shares_caches"] = shares
        work()

    return {"whole": lambda: run(False), "shared": lambda: run(True)}


def works(model: ModelWrapper) -> dict[str, Work]:
    """Return the work of one extraction, with fewer questions: replies to each of a persona's system prompts."""
    data = persona_dataset(PersonaManager(model.config), "sage")
    asked = [
        question_messages(question, system)
        for system in data.persona_prompts
        for question in data.questions[:QUESTIONS]
    ]
    prompts = [model.encode(messages) for messages in asked]
    chance = torch.Generator().manual_seed(0)
    replies = [torch.randint(1000, 40000, (REPLY,), generator=chance).tolist() for _ in prompts]
    rollouts = [
        Rollout(messages, "", len(prompt), "persona", (*prompt, *reply))
        for messages, prompt, reply in zip(asked, prompts, replies, strict=True)
    ]
    extractor = ActivationExtractor(model)
    plan = SteeringPlan((AddDirection(10, torch.randn(model.identity.hidden_size, generator=chance)),))
    return {
        f"capture {len(prompts)} replies": lambda: extractor.capture(rollouts),
        f"score {len(prompts)} replies": lambda: reply_log_probs(model, prompts, replies),
        f"cost of a plan, {len(prompts)} replies": lambda: plan_cost(model, prompts, replies, plan),
        f"first token of {len(prompts)} replies": lambda: sample(model, prompts, 1),
        f"{len(prompts)} replies of {REPLY} tokens": lambda: sample(model, prompts, REPLY),
    }


def sample(model: ModelWrapper, prompts: list[list[int]], n_tokens: int) -> None:
    """Sample unsteered replies."""
    for _ in generate_tokens(
        model, [Row(prompt, SteeringPlan(), 1) for prompt in prompts], Sampling(n_tokens, 0.7, 1.0)
    ):
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
