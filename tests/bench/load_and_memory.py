"""A model ready from a cold start, and the resident memory of a steered chat, each in processes of their own.

python tests/bench/load_and_memory.py [--rounds N] [--write]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median

from bench_tools import arguments, embedded_folder, interleaved, provenance, times_table, write_section

PLAIN_LOAD = """
from transformers import AutoModelForCausalLM, AutoTokenizer
import torch
tokenizer = AutoTokenizer.from_pretrained({folder!r})
model = AutoModelForCausalLM.from_pretrained({folder!r}, dtype=torch.float32).eval()
"""
OUR_LOAD = """
from pathlib import Path
from persona_core import ModelWrapper, get_config
model = ModelWrapper(get_config(Path({home!r}), model="smollm2"))
"""
PLAIN_CHAT = """
ids = tokenizer.apply_chat_template([dict(role="user", content="What is fire?")], add_generation_prompt=True,
    return_tensors="pt", return_dict=True)
with torch.inference_mode():
    model.generate(**ids, max_new_tokens={tokens}, do_sample=True, eos_token_id=None, pad_token_id=0)
"""
OUR_CHAT = """
from persona_core import SteeringEngine
from persona_core.model.decoding import Sampling
vars(model)["end_tokens"] = frozenset()
stream = SteeringEngine(model).stream("What is fire?", "sage", sampling=Sampling({tokens}, 1.0))
for _ in stream: pass
assert stream.reply.receipt.floor is not None
"""
MEMORY = """
status = open("/proc/self/status").read()
print(*[line.split()[1] for name in ("VmRSS", "VmHWM") for line in status.splitlines() if line.startswith(name)])
"""
PLAIN, OURS = "transformers, model and tokenizer", "ours, ready to steer"
TOKENS = 256


def run(code: str) -> str:
    """Run a program to its end and return what it printed."""
    environment = os.environ | {"TRANSFORMERS_VERBOSITY": "error"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def memory(code: str) -> tuple[float, float]:
    """Return (resident, highest) MiB of a process at its end."""
    resident, highest = (int(part) / 1024 for part in run(code).split())
    return resident, highest


def memory_table(codes: dict[str, str], rounds: int) -> str:
    """Return resident memory after a reply, and the highest before, in MiB, medians."""
    rows = ["| process | resident, MiB | highest, MiB | times the plain model |", "|---|" + "---:|" * 3]
    found = {
        name: [[int(part) / 1024 for part in run(code).split()] for _ in range(rounds)] for name, code in codes.items()
    }
    plain = median(resident for resident, _ in found[PLAIN])
    for name, figures in found.items():
        resident, highest = (median(column) for column in zip(*figures, strict=True))
        rows.append(f"| {name} | {resident:.0f} | {highest:.0f} | {resident / plain:.3f} |")
    return "\n".join(rows)


def main() -> None:
    """Measure, print, and keep the tables where that is asked for."""
    given = arguments(__doc__, 7).parse_args()
    values = {"folder": str(embedded_folder()), "home": tempfile.mkdtemp(), "tokens": TOKENS}
    plain, ours = PLAIN_LOAD.format(**values), OUR_LOAD.format(**values)
    load = times_table(
        interleaved({PLAIN: lambda: run(plain), OURS: lambda: run(ours)}, given.rounds), PLAIN, "process"
    )
    chats = {PLAIN: plain + PLAIN_CHAT.format(**values) + MEMORY, OURS: ours + OUR_CHAT.format(**values) + MEMORY}
    memory = f"After a reply of {TOKENS} tokens:\n\n{memory_table(chats, 3)}"
    text = f"{provenance()}\n\nWhole processes, from their start:\n\n{load}\n\n{memory}"
    print(text)
    if given.write:
        write_section("load and memory", text)


if __name__ == "__main__":
    main()
