"""Busy cores: decoding while other processes keep every core busy, and while ours do not, turn by turn.

nice -n -15 python tests/bench/busy_cores.py [--rounds N] [--tokens N] [--write]

How threads wait is read once, when torch is loaded, so each contestant is a process of its own that loads the embedded
model and decodes when it is told to. Other work on the machine counts too. `nice` keeps it down, and while the cores
are to be free a contestant runs at real-time priority, both where that is allowed; the table says whether it was.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bench_tools import Timing, arguments, provenance, say, write_section

QUESTION = "My neighbour plays loud music every night. What should I do?"
CORES = os.cpu_count() or 1
ONE, SPINNING, PASSIVE = "1 thread", f"{CORES} threads, spinning", f"{CORES} threads, `OMP_WAIT_POLICY=passive`"
CONTESTANTS = {
    ONE: {"OMP_NUM_THREADS": "1"},
    SPINNING: {},
    PASSIVE: {"OMP_WAIT_POLICY": "passive"},
}
"""Contestant -> what its environment has; OpenMP's threads spin unless they are told to sleep."""
SETTINGS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
WORKER = "--worker"

Spent = tuple[float, float]
"""CPU seconds and wall seconds."""


class Contestant:
    """A process that has loaded the model and decodes when it is asked."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        bare = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        words = [sys.executable, __file__, WORKER]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, env=bare | environment, stdin=pipe, stdout=pipe, text=True)
        self._answer()

    def decode(self, tokens: int) -> Spent:
        """Decode, and return what it took."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{tokens}\n")
        self.process.stdin.flush()
        cpu, wall = map(float, self._answer().split())
        return cpu, wall

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run before all other work for as long as the context lasts, where that is allowed."""
        self._schedule(os.SCHED_RR, 1)
        try:
            yield
        finally:
            self._schedule(os.SCHED_OTHER, 0)

    def end(self) -> None:
        """End the process."""
        self.process.communicate()

    def _schedule(self, policy: int, priority: int) -> None:
        with suppress(PermissionError):
            for task in Path(f"/proc/{self.process.pid}/task").iterdir():
                os.sched_setscheduler(int(task.name), policy, os.sched_param(priority))

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def work() -> None:
    """Load the model, and decode as many tokens as each line of standard input says."""
    from persona_core import ModelWrapper, get_config
    from persona_core.base.messages import question_messages
    from persona_core.model.decoding import Row, Sampling, generate_tokens
    from persona_core.steering.plan import UNSTEERED

    model = ModelWrapper(get_config(Path(tempfile.mkdtemp()), model="smollm2"))
    vars(model)["end_tokens"] = frozenset()
    prompt = model.encode(question_messages(QUESTION))
    print("ready", flush=True)
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in generate_tokens(model, [Row(prompt, UNSTEERED)], Sampling(int(line), 0.0)):
            pass
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core busy for as long as the context lasts."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(CORES)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def measure(rounds: int, tokens: int) -> dict[str, dict[str, Timing]]:
    """Return `free` and `busy` -> contestant -> its rounds; the first round is not counted."""
    running = {name: Contestant(environment) for name, environment in CONTESTANTS.items()}
    spent: dict[str, dict[str, list[Spent]]] = {"free": {}, "busy": {}}
    for turn in range(rounds + 1):
        names = [*list(running)[turn % len(running) :], *list(running)[: turn % len(running)]]
        free = {name: decode_alone(running[name], tokens) for name in names}
        with busy_cores():
            busy = {name: running[name].decode(tokens) for name in names}
        for name in running if turn else ():
            spent["free"].setdefault(name, []).append(free[name])
            spent["busy"].setdefault(name, []).append(busy[name])
        say(f"round {turn} of {rounds}")
    for contestant in running.values():
        contestant.end()
    return {
        cores: {name: Timing(*zip(*took, strict=True)) for name, took in by_name.items()}
        for cores, by_name in spent.items()
    }


def may_run_first() -> bool:
    """Tell whether processes may run at real-time priority."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


def decode_alone(contestant: Contestant, tokens: int) -> Spent:
    """Decode before all other work, where that is allowed."""
    with contestant.alone():
        return contestant.decode(tokens)


def table(timings: Mapping[str, Mapping[str, Timing]], tokens: int) -> str:
    """Return one row a contestant: wall and CPU milliseconds a token, and wall times as multiples of one thread's."""
    rows = [
        "| threads | cores left free: wall ms a token | CPU ms | times one thread's wall | "
        "cores kept busy: wall ms a token | CPU ms | times one thread's wall |",
        "|---|" + "---:|" * 6,
    ]
    for name in CONTESTANTS:
        cells = []
        for by_name in timings.values():
            (cpu, wall), (_, one) = by_name[name].per(tokens), by_name[ONE].per(tokens)
            cells += [f"{wall:.0f}", f"{cpu:.0f}", f"{wall / one:.2f}"]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    """Measure, print, and keep the table where that is asked for."""
    parser = arguments(__doc__, 7)
    parser.add_argument("--tokens", type=int, default=4)
    given = parser.parse_args()
    load = f"- {os.getloadavg()[0]:.1f} processes of other work wanted a core before the run; "
    load += "decoding went before them while the cores were free" if may_run_first() else "no core was really free"
    text = f"{provenance()}\n{load}\n\n{table(measure(given.rounds, given.tokens), given.tokens)}"
    print(text)
    if given.write:
        write_section("busy cores", text)


if __name__ == "__main__":
    work() if WORKER in sys.argv else main()
