"""What the speed scripts share: contests that run turn by turn, the machine in a line, tables kept on a page."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import torch

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
Work = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """One contestant's CPU seconds and wall seconds, round by round."""

    cpu: Sequence[float]
    wall: Sequence[float]

    def per(self, n: int) -> tuple[float, float]:
        """Return the median CPU and wall milliseconds per one of `n` tokens."""
        return 1000 * median(self.cpu) / n, 1000 * median(self.wall) / n

    def speed(self, reference: Timing) -> tuple[float, float, float]:
        """Return how many times as fast as the reference, in CPU time: the rounds' median, lowest and highest."""
        ratios = [theirs / ours for ours, theirs in zip(self.cpu, reference.cpu, strict=True)]
        return median(ratios), min(ratios), max(ratios)


def interleaved(works: Mapping[str, Work], rounds: int) -> dict[str, Timing]:
    """Run every contestant once a round, each round starting with another; the first round is not counted."""
    names = list(works)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            wall, cpu = time.perf_counter(), time.process_time()
            works[name]()
            spent = time.process_time() - cpu, time.perf_counter() - wall
            if turn:
                found[name].append(spent)
        say(f"round {turn} of {rounds}")
    return {name: Timing(*zip(*spent, strict=True)) for name, spent in found.items()}


def times_table(found: Mapping[str, Timing], reference: str, what: str) -> str:
    """Return one row a contestant: wall milliseconds, and its rounds' median, lowest and highest times a reference."""
    rows = [f"| {what} | wall ms | times the reference | lowest | highest |", "|---|" + "---:|" * 4]
    for name, timing in found.items():
        _, wall = timing.per(1)
        ratios = sorted(ours / theirs for ours, theirs in zip(timing.wall, found[reference].wall, strict=True))
        cells = (median(ratios), ratios[0], ratios[-1])
        rows.append(f"| {name} | {wall:.0f} | " + " | ".join(f"{ratio:.2f}" for ratio in cells) + " |")
    return "\n".join(rows)


def plain_model() -> Any:
    """Return the embedded model as transformers loads it, with none of our modules in it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(embedded_folder(), dtype=torch.float32).eval()


def embedded_folder() -> Path:
    """Return the folder of the embedded model, made where it is not there yet."""
    from persona_core.plugins.loading import load_plugins
    from persona_core.settings.model_source import model_source

    source = model_source("smollm2", load_plugins())
    assert source is not None
    return source.fetch(say)


def arguments(doc: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the script's own words and the options that speed scripts share."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--write", action="store_true", help="keep the tables in docs/performance.md")
    return parser


def provenance(*packages: str) -> str:
    """Return the machine, the versions and the command as list items."""
    shown = [f"{name} {found}" for name in ("torch", "transformers", "nnsight", *packages) if (found := _version(name))]
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return "\n".join(
        [
            f"- Command: `python tests/bench/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}`".rstrip(" `") + "`",
            f"- Date: {time.strftime('%Y-%m-%d')}; machine: {platform.machine()}, {threads}",
            f"- Versions: {', '.join(shown)}",
        ]
    )


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- end of name -->` on the page."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, mark, rest = page.read_text(encoding="utf-8").partition(start)
    _, found, after = rest.partition(end)
    if not mark or not found:
        raise SystemExit(f"{page} has no {start.strip()} … {end}")
    page.write_text(f"{before}{start}\n{text}\n\n{end}{after}", encoding="utf-8")


def say(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
