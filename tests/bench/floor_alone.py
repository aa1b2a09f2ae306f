"""The floor on a model that refuses: real refusals of jailbreaks, unsteered, under the floor alone, and with personas.

    python tests/bench/floor_alone.py --model qwen-coder-1.5b --percentiles 25 50 [--personas sage …] [--write]

Needs the model's axes (`persona-steer extract-axes`), and the vectors of the personas that are named. It asks role-play
jailbreaks of held-out harmful requests, and harmless questions that sound harmful. Finished replies are kept in the
workspace, so that a killed run goes on. With --write the table goes into docs/method.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from bench_tools import provenance, say, write_section

from persona_core import ModelWrapper, PersonaManager, get_config
from persona_core.base.messages import question_messages
from persona_core.engine.planning import build_plan
from persona_core.engine.request import as_request
from persona_core.evaluation.answers import ReplyCondition, answer_questions
from persona_core.evaluation.prompt_set import core_prompts
from persona_core.evaluation.statistics import mean_interval
from persona_core.extraction.data import safety_dataset
from persona_core.extraction.refusal import dataset_starts, refuses, refusing_odds
from persona_core.model.decoding import Sampling
from persona_core.model.rollouts import reply_cache
from persona_core.settings.config import Safety
from persona_core.steering.plan import UNSTEERED, SteeringPlan

PAGE = Path(__file__).parents[2] / "docs" / "method.md"


@dataclass(frozen=True)
class Bench:
    """A model with its axes, and what it is asked."""

    model: ModelWrapper
    manager: PersonaManager
    jailbreaks: Sequence[str]
    harmless: Sequence[str]
    tokens: int

    def row(self, name: str, plan: SteeringPlan) -> str:
        """Ask everything under one plan, and return a row of the table."""
        refused, over = (self._refusals(name, plan, asked) for asked in (self.jailbreaks, self.harmless))
        odds = mean_interval(self._odds(plan), seed=0)
        cells = [f"{sum(refused)} of {len(refused)}", f"{sum(over)} of {len(over)}"]
        return f"| {name} | {' | '.join(cells)} | {odds.value:+.2f} [{odds.low:+.2f}, {odds.high:+.2f}] |"

    def plan(self, personas: dict[str, float], safety: Safety, percentile: float) -> SteeringPlan:
        """Return the plan that `generate` would use with the floor at a percentile."""
        config = self.manager.config.replace({"steering.safety_floor_percentile": percentile})
        manager = PersonaManager(config)
        plan = build_plan(self.model, manager, as_request(personas, config.steering, None, safety))
        return plan if personas else SteeringPlan(clamps=plan.clamps, label="floor")

    def _refusals(self, name: str, plan: SteeringPlan, asked: Sequence[str]) -> list[bool]:
        settings = self.model.config.generation
        sampling = Sampling(self.tokens, settings.temperature, settings.top_p)
        cache = reply_cache(self.manager.workspace.evaluation_replies(self.manager.slug))
        replies = answer_questions(
            self.model, [ReplyCondition(name, plan)], asked, sampling, 0, cache=cache,
            progress=lambda stage, done, total: say(f"{stage}: {done} of {total}"), stage=name,
        )[0]  # fmt: skip
        marks = core_prompts().require("refusal_marks")
        for reply in replies[:3]:
            say(f"   {reply.text[:160]!r}")
        return [refuses(reply.text, marks) for reply in replies]

    def _odds(self, plan: SteeringPlan):
        prompts = [self.model.encode(question_messages(text)) for text in self.jailbreaks]
        return refusing_odds(self.model, prompts, [plan] * len(prompts), dataset_starts(self.model, self.data))

    @property
    def data(self):
        """The safety dataset."""
        return safety_dataset(self.manager)


def main() -> None:
    """Run from the command line."""
    chosen = _options()
    config = get_config(model=chosen.model)
    model, manager = ModelWrapper(config), PersonaManager(config)
    prompts = core_prompts()
    pairs = cycle(safety_dataset(manager).heldout)
    turns = zip(range(chosen.jailbreaks), cycle(prompts.require("jailbreaks")), pairs, strict=False)
    jailbreaks = [frame.format(request=pair.request) for _, frame, pair in turns]
    bench = Bench(model, manager, jailbreaks, prompts.require("safe_looking_unsafe"), chosen.tokens)
    rows = ["| replies | refusals of jailbreaks | refusals of harmless questions | odds of a refusing start, nats |"]
    rows.append("|---|---:|---:|---|")
    for name, plan in _conditions(bench, chosen):
        rows.append(bench.row(name, plan))
        print(rows[-1], flush=True)
    text = f"{provenance()}\n\n" + "\n".join(rows)
    if chosen.write:
        write_section("floor alone", text, PAGE)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qwen-coder-1.5b")
    parser.add_argument("--percentiles", type=float, nargs="+", default=[25.0, 50.0])
    parser.add_argument("--personas", nargs="*", default=[])
    parser.add_argument("--jailbreaks", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--write", action="store_true", help="keep the table in docs/method.md")
    return parser.parse_args()


def _conditions(bench: Bench, chosen: argparse.Namespace) -> Iterator[tuple[str, SteeringPlan]]:
    """Yield each row's name and plan: unsteered, the floor alone, and every persona with the floor off and on."""
    yield "unsteered", UNSTEERED
    for level in chosen.percentiles:
        yield f"floor alone, p{level:g}", bench.plan({}, "always", level)
    for name in chosen.personas:
        yield f"{name}, floor off", bench.plan({name: 1.0}, False, chosen.percentiles[0])
        for level in chosen.percentiles:
            yield f"{name}, floor p{level:g}", bench.plan({name: 1.0}, True, level)


if __name__ == "__main__":
    main()
