"""Capping policies: what each costs on benign text, and what it does to a persona's replies.

python tests/bench/capping_policies.py [--persona NAME] [--questions N] [--tokens N] [--write]

Needs `pip install plugins/persona-capping-policies plugins/persona-capping-guard`. The first half holds each policy's
bounds alone, without a persona, on the neutral texts of the evaluation; the second steers a persona at strength 1.0 and
greedily. `assistant-guard` is asked as if one turn had drifted far, where it is tightest. `--write` keeps the table in
the README of persona-capping-policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_tools import arguments, provenance, say, write_section

from persona_core import ModelWrapper, PersonaManager, SteeringEngine, get_config
from persona_core.engine.planning import build_plan
from persona_core.engine.receipt import Receipt
from persona_core.evaluation.damage import neutral_cost
from persona_core.evaluation.effect import damage
from persona_core.evaluation.evaluation import Evaluation, Size
from persona_core.evaluation.judges import JudgedReply, LogProbJudge
from persona_core.evaluation.prompt_set import core_prompts
from persona_core.model.decoding import Sampling
from persona_core.steering.plan import SteeringPlan

PAGE = Path(__file__).parents[2] / "plugins" / "persona-capping-policies" / "README.md"
POLICIES = ("percentile-floor", "band", "multi-axis", "audit-only", "assistant-guard")
DRIFTED: Mapping[str, Sequence[Mapping[str, float]]] = {"assistant-guard": [{"assistant": -1e6}]}
PERSONAS = ("creator", "explorer", "guardian", "sage", "trickster")


@dataclass(frozen=True)
class Found:
    """One policy: its cost on neutral texts, and gain, damage (nats per token) and receipts of its steered replies."""

    kl: float
    top1: float
    gain: float
    damage: float
    receipts: Sequence[Receipt]


class Bench:
    """The model, and what is asked under every policy."""

    def __init__(self, persona: str, questions: int, tokens: int) -> None:
        self.config = get_config(model="smollm2")
        self.model = ModelWrapper(self.config)
        manager = PersonaManager(self.config)
        size = Size(questions=questions, tokens=tokens)
        self.evaluation = Evaluation(self.model, manager, PERSONAS, LogProbJudge(), core_prompts(), size)
        self.persona, self.sampling = persona, Sampling(tokens, 0.0)
        self.plain = self.replies(SteeringEngine(self.model, manager), None)[0]
        self.unsteered = self.evaluation.judged([self.plain])

    def replies(self, engine: SteeringEngine, persona: str | None) -> tuple[list[JudgedReply], list[Receipt]]:
        """Return what is said to every question, with its receipts."""
        judged, receipts = [], []
        for question in self.evaluation.questions:
            stream = engine.stream(question, persona, sampling=self.sampling, history=self.history(engine))
            text = "".join(stream)
            tokens = tuple(token for token in stream.row.tokens if token not in self.model.end_tokens)
            judged.append(JudgedReply(question, text, tokens))
            receipts.append(stream.reply.receipt)
        return judged, receipts

    def history(self, engine: SteeringEngine) -> Sequence[Mapping[str, float]]:
        """Return the turns that the engine's policy is told of."""
        return DRIFTED.get(engine.manager.config.steering.capping_policy, ())

    def measure(self, policy: str) -> Found:
        """Read the neutral texts under the policy's bounds alone, and reply under persona and policy."""
        config = self.config.replace({"steering.capping_policy": policy})
        engine = SteeringEngine(self.model, PersonaManager(config))
        plan = build_plan(self.model, engine.manager, engine.steering(self.persona), self.history(engine))
        cost = neutral_cost(self.evaluation, SteeringPlan(clamps=plan.clamps))
        rows, receipts = self.replies(engine, self.persona)
        gains = (self.evaluation.judged([rows]) - self.unsteered)[0, :, PERSONAS.index(self.persona)]
        say(f"{policy}: KL {cost.kl:.4f}")
        harm = damage(self.evaluation, [rows], self.plain)
        return Found(cost.kl, cost.top1, float(gains.mean()), float(harm.mean()), receipts)


def table(found: Mapping[str, Found]) -> str:
    """Return one row a policy."""
    heads = ["KL on neutral texts", "likeliest token kept", "bounds that moved a token, of 100 tokens and layers",
             "gain", "damage"]  # fmt: skip
    rows = ["| policy | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for name, each in found.items():
        cells = [f"{each.kl:.4f}", f"{each.top1:.1%}", f"{moved(each.receipts):.1f}", f"{each.gain:+.2f}",
                 f"{each.damage:.2f}"]  # fmt: skip
        rows.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def moved(receipts: Sequence[Receipt]) -> float:
    """Return how often a bound moved a token, in 100 visits of a token to a capped layer."""
    floors = [(receipt.floor, receipt.steered_tokens) for receipt in receipts if receipt.floor is not None]
    return 100 * sum(floor.hits for floor, _ in floors) / sum(n * len(floor.layers) for floor, n in floors)


def audits(receipts: Sequence[Receipt]) -> str:
    """Return what the audited bounds would have moved."""
    visits = sum(receipt.steered_tokens * len(receipt.floor.layers) for receipt in receipts if receipt.floor)
    rows = ["| audited bound | would have moved, of 100 tokens and layers | farthest outside |", "|---|---:|---:|"]
    for name in receipts[0].audits:
        found = [receipt.audits[name] for receipt in receipts]
        share = 100 * sum(audit.hits for audit in found) / visits
        rows.append(f"| `{name}` | {share:.1f} | {max(audit.farthest for audit in found):.2f} |")
    return "\n".join(rows)


def main() -> None:
    """Measure, print, and keep the tables where that is asked for."""
    parser = arguments(__doc__, 1)
    parser.add_argument("--persona", default="trickster", choices=PERSONAS)
    parser.add_argument("--questions", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=32)
    given = parser.parse_args()
    bench = Bench(given.persona, given.questions, given.tokens)
    found = {policy: bench.measure(policy) for policy in POLICIES}
    asked = (
        f"{given.persona} at strength 1.0, {len(bench.evaluation.questions)} questions, greedy, {given.tokens} tokens "
        f"a reply; the configured floor at p{bench.config.steering.safety_floor_percentile:g} is held in every row."
    )
    text = "\n\n".join([provenance(), asked, table(found), audits(found["audit-only"].receipts)])
    print(text)
    if given.write:
        write_section("capping policies", text, PAGE)


if __name__ == "__main__":
    main()
