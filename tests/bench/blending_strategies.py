"""Blending strategies on the blend figures of the evaluation: the same pairs, questions and seeds for each.

python tests/bench/blending_strategies.py [--questions N] [--tokens N] [--judge-prompts N] [--write]

Needs `pip install plugins/persona-blending-kit`. Every two of the five personas are blended half and half, as
`persona-steer eval --part blends` does it. Longer displacements are recognised more often and cost more, so each
strategy is asked twice: at its own length, and at the strength where its mean KL from the unsteered prediction, on
unsteered replies, is that of the default strategy. Two are asked once: of two halves, `slerp` points where the default
does, and `weighted-sum` where `norm-preserving` does. A run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import torch
from bench_tools import arguments, provenance, say, write_section
from jaxtyping import Float
from torch import Tensor

from persona_core import ModelWrapper, PersonaManager, get_config
from persona_core.base.messages import question_messages
from persona_core.evaluation.answers import ReplyCondition
from persona_core.evaluation.effect import damage
from persona_core.evaluation.evaluation import Evaluation, Size
from persona_core.evaluation.judges import JudgedReply, LogProbJudge
from persona_core.evaluation.prompt_set import core_prompts
from persona_core.evaluation.score_cache import score_cache
from persona_core.evaluation.statistics import Interval, Scores, bootstrap, both_recognised, difference
from persona_core.model.rollouts import reply_cache
from persona_core.model.scoring import plan_costs
from persona_core.steering.blending import BalancedSum
from persona_core.steering.plan import SteeringPlan

PAGE = Path(__file__).parents[2] / "docs" / "method.md"
DEFAULT = BalancedSum().name
STRATEGIES = (DEFAULT, "weighted-sum", "slerp", "ties", "gram-schmidt", "norm-preserving")
AT_EQUAL_KL = (DEFAULT, "ties", "gram-schmidt", "norm-preserving")
PERSONAS = ("creator", "explorer", "guardian", "sage", "trickster")
PAIRS = tuple(combinations(range(len(PERSONAS)), 2))
HALVES = tuple({PERSONAS[one]: 0.5, PERSONAS[other]: 0.5} for one, other in PAIRS)
CHOSEN_ON = 8
"""The first questions chose the default's extra length, and are asked of no strategy here."""
KL_REPLIES, KL_STEPS = 3, 2


@dataclass(frozen=True)
class Measured:
    """One strategy at one strength; scores and gains are pair × question × persona, damage pair × question."""

    strategy: str
    strength: float
    kl: float
    scores: Scores
    gains: Float[Tensor, "pair question"]
    damage: Float[Tensor, "pair question"]


class Bench:
    """The model, what is asked of every strategy, and the unsteered replies."""

    def __init__(self, questions: int, tokens: int, judge_prompts: int) -> None:
        self.config = get_config(model="smollm2")
        self.model = ModelWrapper(self.config)
        manager = PersonaManager(self.config)
        folder = manager.workspace.evaluations / manager.slug / "blending strategies"
        folder.mkdir(parents=True, exist_ok=True)
        self.evaluation = Evaluation(
            model=self.model,
            manager=manager,
            personas=PERSONAS,
            judge=LogProbJudge(judge_prompts),
            prompts=core_prompts(),
            size=Size(questions=CHOSEN_ON + questions, tokens=tokens),
            replies=reply_cache(folder / "replies.jsonl"),
            scores=score_cache(folder / "scores.jsonl"),
        )
        self.questions = self.evaluation.questions[CHOSEN_ON:]
        self.plain = self.ask([ReplyCondition("unsteered")])[0]
        self.unsteered = self.evaluation.judged([self.plain])

    def ask(self, conditions: Sequence[ReplyCondition]) -> list[list[JudgedReply]]:
        """Return one row of replies a condition, the same seeds for each."""
        return self.evaluation.ask(conditions, "replies", self.questions)

    def plans(self, strategy: str, strength: float) -> list[SteeringPlan]:
        """Return the plan of every pair, half and half, at the default safety floor."""
        config = self.config.replace({"steering.blending": strategy})
        evaluation = replace(self.evaluation, manager=PersonaManager(config))
        return [evaluation.plan(weights, strength) for weights in HALVES]

    def kl(self, plans: Sequence[SteeringPlan]) -> float:
        """Return the mean KL from the unsteered to the steered prediction on unsteered replies, in nats per token."""
        few = self.plain[:KL_REPLIES]
        prompts = [self.model.encode(question_messages(reply.question)) for reply in few]
        costs = plan_costs(self.model, prompts, [reply.tokens for reply in few], plans)
        return sum(kl for kl, _ in costs) / len(costs)

    def matched(self, strategy: str, kl: float) -> tuple[float, float]:
        """Return (strength, KL) where the KL is the wanted one; it grows about as the square of the strength."""
        strength = 1.0
        for _ in range(KL_STEPS):
            strength *= (kl / self.kl(self.plans(strategy, strength))) ** 0.5
        return strength, self.kl(self.plans(strategy, strength))

    def measure(self, strategy: str, strength: float, kl: float) -> Measured:
        """Ask every question of every pair, and judge the replies."""
        plans = self.plans(strategy, strength)
        rows = self.ask([ReplyCondition(plan.label, plan) for plan in plans])
        scores = self.evaluation.judged(rows)
        more = scores - self.unsteered
        gains = torch.stack([more[row][:, list(pair)].mean(-1) for row, pair in enumerate(PAIRS)])
        found = Measured(strategy, strength, kl, scores, gains, damage(self.evaluation, rows, self.plain))
        both, cost = recognised(centred(scores)), float(found.damage.mean())
        say(f"{strategy} at {strength:.2f}: KL {kl:.3f}, both {both:.2f}, damage {cost:.2f}")
        return found


def recognised(scores: Scores) -> float:
    """Return the share of replies whose two highest scores are those of their parts, as the evaluation counts it."""
    return sum(both_recognised(row, pair) for row, pair in zip(scores, PAIRS, strict=True)) / len(PAIRS)


def centred(scores: Scores) -> Scores:
    """Take each judge's mean over all replies out."""
    return scores - scores.mean((0, 1), keepdim=True)


def recognised_centred(scores: Scores) -> float:
    """Return the share once each judge is centred."""
    return recognised(centred(scores))


def mean(values: Float[Tensor, "pair question"]) -> Interval:
    """Return the mean with its interval over questions."""
    return bootstrap(values.unsqueeze(-1), lambda rows: float(rows.mean()))


def beyond(one: Float[Tensor, "pair question"], other: Float[Tensor, "pair question"]) -> Interval:
    """Return what one mean has over another, the same questions drawn for both."""
    return difference(one.unsqueeze(-1), other.unsqueeze(-1), lambda rows: float(rows.mean()))


def table(found: Sequence[Measured], default: Measured) -> str:
    """Return one row a strategy and strength, with paired differences to the default and who is on the front."""
    heads = ["strength", "KL", "both in the top two", "the same, centred", "centred, ahead of the default",
             "gain", "damage", "damage, above the default's", "on the front"]  # fmt: skip
    rows = ["| strategy | " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1) + "---|"]
    for each in found:
        own = each is default
        cells = [f"{each.strength:.2f}", f"{each.kl:.3f}", str(bootstrap(each.scores, recognised)),
                 str(bootstrap(each.scores, recognised_centred)),
                 "" if own else str(difference(each.scores, default.scores, recognised_centred)),
                 str(mean(each.gains)), str(mean(each.damage)),
                 "" if own else str(beyond(each.damage, default.damage)),
                 "yes" if on_front(each, found) else ""]  # fmt: skip
        rows.append(f"| {each.strategy} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def on_front(one: Measured, found: Sequence[Measured]) -> bool:
    """Tell whether nothing else is recognised as often, centred, at as little damage; by the figures alone."""

    def point(each: Measured) -> tuple[float, float]:
        return recognised_centred(each.scores), -float(each.damage.mean())

    own = point(one)
    return not any(
        all(a >= b for a, b in zip(point(other), own, strict=True)) and point(other) != own for other in found
    )


def directions(bench: Bench) -> str:
    """Return the mean cosine of each strategy's displacement with the default's, over pairs and steered layers."""
    wanted = bench.plans(DEFAULT, 1.0)
    cells = []
    for strategy in STRATEGIES[1:]:
        pairs = zip(bench.plans(strategy, 1.0), wanted, strict=True)
        cosines = [
            torch.cosine_similarity(one.direction, other.direction, dim=0)
            for plan, default in pairs
            for one, other in zip(plan.additions, default.additions, strict=True)
        ]
        cells.append(f"{strategy} {float(torch.stack(cosines).mean()):.3f}")
    return "Cosine with the default's displacement, mean over pairs and layers: " + ", ".join(cells) + "."


def measure(bench: Bench) -> dict[str, list[Measured]]:
    """Measure every strategy at its own length and at the default's KL."""
    found = {"own length": [bench.measure(name, 1.0, bench.kl(bench.plans(name, 1.0))) for name in STRATEGIES]}
    default, *_ = found["own length"]
    say(table(found["own length"], default))
    others = [bench.measure(name, *bench.matched(name, default.kl)) for name in AT_EQUAL_KL[1:]]
    return found | {"equal KL": [default, *others]}


def report(bench: Bench, found: Mapping[str, Sequence[Measured]]) -> str:
    """Return the tables with their provenance."""
    asked = f"{len(PAIRS)} pairs, half and half, {len(bench.questions)} questions each that chose nothing"
    judge = f"the judge reads with {bench.evaluation.judge.n_prompts} prompt(s) a persona"  # type: ignore[attr-defined]
    legend = (
        f"{asked}; {judge}; {bench.evaluation.size.tokens} tokens a reply. Gain: what the judge gives both parts more "
        "than unsteered; gain and damage in nats per token. On the front: no other row is recognised as often at as "
        "little damage."
    )
    parts = [provenance("persona-blending-kit"), legend, directions(bench)]
    parts += [f"At {what}:\n\n{table(rows, rows[0])}" for what, rows in found.items()]
    return "\n\n".join(parts)


def main() -> None:
    """Measure, print, and keep the tables in docs/method.md where that is asked for."""
    parser = arguments(__doc__, 1)
    parser.add_argument("--questions", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--judge-prompts", type=int, default=2)
    given = parser.parse_args()
    bench = Bench(given.questions, given.tokens, given.judge_prompts)
    text = report(bench, measure(bench))
    print(text)
    if given.write:
        write_section("blending strategies", text, PAGE)


if __name__ == "__main__":
    main()
