"""Effect per damage on one shared contrast: our direction beside those of repeng, steering-vectors and assistant-axis.

python tests/bench/peers_effect.py [PERSONA ...] [--questions N] [--probes N] [--tokens N] [--page FILE]

Needs `pip install --no-deps repeng steering-vectors` and scikit-learn. Every method gets the same pairs of replies and
the same layers; each peer makes its vector with its own code, and every vector is added through a `SteeringPlan`, so
that prompts, seeds and decoding are the same. What differs is the direction and how it is shared out among the layers.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_tools import say, write_section
from jaxtyping import Float
from torch import Tensor

from persona_core import ActivationExtractor, ModelWrapper, PersonaManager, get_config
from persona_core.base.messages import question_messages
from persona_core.base.provenance import describe_machine
from persona_core.evaluation.answers import ReplyCondition, answer_questions
from persona_core.evaluation.judges import JudgedReply, plain_log_probs
from persona_core.extraction.data import evaluation_questions, persona_dataset
from persona_core.model.decoding import Sampling
from persona_core.model.gradient import reply_gradient
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import plan_cost
from persona_core.personas.archetype import Archetype
from persona_core.settings.model_source import model_source
from persona_core.steering.plan import AddDirection, SteeringPlan
from persona_core.vectors.maths import mean_difference, read_and_write, unit

vars(np).setdefault("float_", np.float64)  # repeng 0.4.0 names it in its annotations; numpy 2 has not got it
import repeng.extract  # noqa: E402
from steering_vectors import train_steering_vector  # noqa: E402
from steering_vectors.train_steering_vector import extract_activations  # noqa: E402

OURS = "persona-steer"
SCALES = (0.02, 0.04, 0.08, 0.13, 0.2, 0.3, 0.5, 0.8)
"""Total displacements: the sum over layers of |added| / |residual|, the residual's median norm."""
DAMAGES = (0.25, 0.5)
ENOUGH = 0.75
"""Damage, in nats/token, after which no stronger scale is tried: beyond the range that is compared."""
JUDGE_PROMPTS, KL_REPLIES, RESAMPLES, PEER_BATCH = 2, 3, 1000, 8

Added = Float[Tensor, "target hidden"]
Profile = Callable[["Contrast"], Added]


@dataclass(frozen=True)
class Size:
    """How much is extracted and asked."""

    prompts: int
    questions: int
    gradients: int
    probes: int
    tokens: int
    seed: int = 0


@dataclass(frozen=True)
class Contrast:
    """A persona's replies and the default assistant's to the same questions, pair by pair."""

    persona: Archetype
    positive: Sequence[Rollout]
    negative: Sequence[Rollout]
    difference: Float[Tensor, "layer hidden"]
    gradient: Float[Tensor, "layer hidden"]


@dataclass(frozen=True)
class Point:
    """One method at one scale: rise of the replies' NLL and gain, by question; KL on unsteered replies."""

    scale: float
    nll: Float[Tensor, "question"]
    gain: Float[Tensor, "question"]
    kl: float


Points = Mapping[tuple[str, str], Sequence[Point]]
"""(persona, method) -> its points, weakest first."""
Curve = Sequence[tuple[float, float]]
"""(damage, gain), from (0, 0) on; damage never falls."""


class Bench:
    """The model, what it is steered at, and how replies are sampled."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.model = ModelWrapper(get_config(model="smollm2"))
        self.manager = PersonaManager(self.model.config)
        self.extractor = ActivationExtractor(self.model)
        self.layers = self.model.target_layers
        self.norms = torch.ones(len(self.layers))
        self.chance = torch.Generator().manual_seed(size.seed)
        settings = self.model.config.generation
        self.sampling = Sampling(size.tokens, settings.temperature, settings.top_p)

    def contrasts(self, names: Sequence[str]) -> Iterator[Contrast]:
        """Sample both sides' replies and read them, persona by persona; the residual norms are the default side's."""
        asked = self._asked(names[0])
        neutral = persona_dataset(self.manager, names[0]).default_prompts[: self.size.prompts]
        negative = self.extractor.roll_out(neutral, asked, "default")
        means, slope = self.extractor.capture(negative).mean, self._gradient(negative)
        self.norms = self.extractor.residual_norms(negative)[list(self.layers)]
        for name in names:
            prompts = persona_dataset(self.manager, name).persona_prompts[: self.size.prompts]
            positive = self.extractor.roll_out(prompts, asked, "persona")
            moved = mean_difference(self.extractor.capture(positive).mean, means)
            rising = self._gradient(positive) - slope
            say(f"{name}: {len(positive)} pairs")
            yield Contrast(self.manager.archetype(name), positive, negative, moved, rising)

    def plan(self, added: Added, scale: float) -> SteeringPlan:
        """Return the plan that adds a method's vectors, all times one factor, at one total displacement."""
        moved = added * scale / (added.norm(dim=-1) / self.norms).sum()
        return SteeringPlan(tuple(AddDirection(layer, row) for layer, row in zip(self.layers, moved, strict=True)))

    def _asked(self, name: str) -> list[str]:
        """Return questions of every topic: some of the dataset's, evenly spaced."""
        questions = persona_dataset(self.manager, name).questions
        return [questions[place * len(questions) // self.size.questions] for place in range(self.size.questions)]

    def _gradient(self, rollouts: Sequence[Rollout]) -> Float[Tensor, "layer hidden"]:
        n = min(self.size.gradients, len(rollouts))
        return reply_gradient(self.model, [rollouts[place * len(rollouts) // n] for place in range(n)])


class Peers:
    """The other libraries, on a plain copy of the model.

    It ends after the block behind the last target layer and has no head: none of them reads further.
    """

    def __init__(self, bench: Bench) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer, logging

        logging.set_verbosity_error()
        source = model_source("smollm2", bench.model.config.installed)
        assert source is not None
        folder = source.fetch(say)
        self.layers = list(bench.layers)
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, num_hidden_layers=self.layers[-1] + 2, dtype=torch.float32
        ).eval()
        self.model.lm_head = torch.nn.Identity()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="right")
        repeng.extract.batched_get_hiddens = remembered(repeng.extract.batched_get_hiddens)

    def repeng(self, contrast: Contrast, method: str) -> Added:
        """Return repeng's unit vectors, its sign: towards what most positive texts have more of."""
        entries = [repeng.extract.DatasetEntry(*pair) for pair in self._texts(contrast)]
        vector = repeng.extract.ControlVector.train(
            self.model,
            self.tokenizer,
            entries,
            hidden_layers=self.layers,
            method=method,
            batch_size=PEER_BATCH,
        )
        return torch.stack([torch.from_numpy(vector.directions[layer]) for layer in self.layers])

    def steering_vectors(self, contrast: Contrast) -> Added:
        """Return steering-vectors' mean difference at the last token, its defaults but for the batch size."""
        vector = train_steering_vector(
            self.model, self.tokenizer, self._texts(contrast), layers=self.layers, batch_size=PEER_BATCH
        )
        return torch.stack([vector.layer_activations[layer] for layer in self.layers]).float()

    def check_layers(self, bench: Bench, text: str) -> None:
        """Fail where a peer's layer `i` is not the stream after block `i`, read at the last token."""
        ids, mask = bench.model.pad([self.tokenizer(text)["input_ids"]])
        wanted = bench.model.capture(ids, mask, lambda _, hidden: hidden[0, -1].clone(), self.layers)
        read, _ = extract_activations(self.model, self.tokenizer, [(text, text)], layers=self.layers)
        hidden = repeng.extract.batched_get_hiddens(self.model, self.tokenizer, [text], self.layers, 1)
        for layer, row in zip(self.layers, wanted, strict=True):
            torch.testing.assert_close(read[layer][0][0], row, rtol=1e-3, atol=1e-2)
            torch.testing.assert_close(torch.from_numpy(hidden[layer][0]), row, rtol=1e-3, atol=1e-2)

    def _texts(self, contrast: Contrast) -> list[tuple[str, str]]:
        both = zip(contrast.positive, contrast.negative, strict=True)
        return [(self.text(positive), self.text(negative)) for positive, negative in both]

    def text(self, rollout: Rollout) -> str:
        """Return prompt and reply as one chat text that ends with the reply's last token."""
        return str(self.tokenizer.decode(list(rollout.token_ids), skip_special_tokens=False))


def remembered(read: Callable[..., dict[int, Any]]) -> Callable[..., dict[int, Any]]:
    """Read the same texts once for both of repeng's methods; a copy, because `pca_center` centres in place."""
    kept: dict[tuple[str, ...], dict[int, Any]] = {}

    def again(model: Any, tokenizer: Any, inputs: list[str], layers: list[int], batch_size: int) -> dict[int, Any]:
        key = tuple(inputs)
        if key not in kept:
            kept[key] = read(model, tokenizer, inputs, layers, batch_size)
        return {layer: rows.copy() for layer, rows in kept[key].items()}

    return again


def methods(bench: Bench, peers: Peers) -> dict[str, Profile]:
    """Return each method's vectors at the target layers; their lengths are the layers' shares."""
    layers, norms = list(bench.layers), bench.norms[:, None]

    def ours(contrast: Contrast) -> Added:
        return unit(read_and_write(contrast.difference, contrast.gradient)[layers]) * norms

    def chance(contrast: Contrast) -> Added:
        return unit(torch.randn(len(layers), bench.model.identity.hidden_size, generator=bench.chance)) * norms

    return {
        OURS: ours,
        "assistant-axis add": lambda contrast: contrast.difference[layers],
        "steering-vectors": peers.steering_vectors,
        "repeng pca_center": lambda contrast: peers.repeng(contrast, "pca_center"),
        "repeng pca_diff": lambda contrast: peers.repeng(contrast, "pca_diff"),
        "random direction": chance,
    }


def measure(bench: Bench, contrast: Contrast, profiles: Mapping[str, Added]) -> dict[str, list[Point]]:
    """Ask the held-out questions at every scale, the same seeds each time, until damage is beyond what is compared."""
    questions = evaluation_questions(bench.manager, [contrast.persona.name])[: bench.size.probes]
    plain = ask(bench, [ReplyCondition("unsteered")], questions)
    start = scores(bench, plain, contrast.persona)
    found: dict[str, list[Point]] = {name: [] for name in profiles}
    for scale in SCALES:
        live = [name for name, points in found.items() if curve(points)[-1][0] < ENOUGH]
        plans = [bench.plan(profiles[name], scale) for name in live]
        rows = ask(bench, [ReplyCondition(name, plan) for name, plan in zip(live, plans, strict=True)], questions)
        likely, gains = scores(bench, rows, contrast.persona)
        for place, (name, plan) in enumerate(zip(live, plans, strict=True)):
            kl = unsteered_kl(bench, plain[0], plan)
            found[name].append(Point(scale, start[0][0] - likely[place], gains[place] - start[1][0], kl))
            damage, gain = curve(found[name])[-1]
            say(f"{contrast.persona.name:10} {scale:.2f} {name:20} damage {damage:.3f}, gain {gain:+.3f}")
    return found


def ask(bench: Bench, conditions: Sequence[ReplyCondition], questions: Sequence[str]) -> list[list[JudgedReply]]:
    """Return one row of replies a condition."""
    return answer_questions(bench.model, conditions, questions, bench.sampling, bench.size.seed)


def scores(bench: Bench, rows: Sequence[Sequence[JudgedReply]], persona: Archetype) -> tuple[Tensor, Tensor]:
    """Return (log-probability without a system prompt, log-odds of the persona) of every reply, row by row."""
    flat = [reply for row in rows for reply in row]
    bare = plain_log_probs(bench.model, flat)
    asked = [plain_log_probs(bench.model, flat, system) for system in persona.system_prompts[:JUDGE_PROMPTS]]
    odds = torch.stack(asked).mean(0) - bare
    return bare.view(len(rows), -1), odds.view(len(rows), -1)


def unsteered_kl(bench: Bench, plain: Sequence[JudgedReply], plan: SteeringPlan) -> float:
    """Return the KL from the unsteered to the steered prediction of some unsteered replies."""
    few = plain[:KL_REPLIES]
    prompts = [bench.model.encode(question_messages(reply.question)) for reply in few]
    return plan_cost(bench.model, prompts, [reply.tokens for reply in few], plan)[0]


def curve(points: Sequence[Point], drawn: Tensor | None = None) -> Curve:
    """Return damage and gain over the questions, or over those that are drawn. As in calibration, damage is the larger
    of NLL rise and KL, and its running maximum.
    """
    found, worst = [(0.0, 0.0)], 0.0
    for point in points:
        nll, gain = (part if drawn is None else part[drawn] for part in (point.nll, point.gain))
        worst = max(worst, float(nll.mean()), point.kl)
        found.append((worst, float(gain.mean())))
    return found


def gain_at(curve: Curve, damage: float) -> float:
    """Return the gain at a damage, linear between points; the last point's where the curve ends before."""
    for low, high in pairwise(curve):
        if high[0] >= damage:
            return low[1] + (damage - low[0]) / (high[0] - low[0]) * (high[1] - low[1])
    return curve[-1][1]


def area(curve: Curve, damage: float = DAMAGES[-1]) -> float:
    """Return the mean gain from no damage to a damage."""
    inner = [point for point in curve if point[0] < damage]
    whole = [*inner, (damage, gain_at(curve, damage))]
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(whole)) / damage


def mean_over_personas(points: Points, method: str, figure: Callable[[Curve], float], drawn: Any = None) -> float:
    """Return a figure's mean over the personas."""
    found = [figure(curve(row, drawn)) for (_, name), row in points.items() if name == method]
    return sum(found) / len(found)


def interval(points: Points, method: str, figure: Callable[[Sequence[float]], float]) -> tuple[float, float]:
    """Return the 95 % interval, over resampled questions, of a figure of (a method's area, ours)."""
    chance, n = torch.Generator().manual_seed(0), len(next(iter(points.values()))[0].nll)
    drawn = [torch.randint(n, (n,), generator=chance) for _ in range(RESAMPLES)]
    found = [figure([mean_over_personas(points, name, area, each) for name in (method, OURS)]) for each in drawn]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def report(bench: Bench, points: Points, retokenised: str) -> str:
    """Return what was measured, as Markdown."""
    names = list(dict.fromkeys(persona for persona, _ in points))
    found = list(dict.fromkeys(method for _, method in points))
    return "\n\n".join([provenance(bench, names, retokenised), comparison(points, found), curves(points)]) + "\n"


def provenance(bench: Bench, names: Sequence[str], retokenised: str) -> str:
    """Return where, when and with what the figures were made."""
    tools = ("persona-core", "torch", "transformers", "nnsight", "repeng", "steering-vectors", "scikit-learn", "numpy")
    size, dtype = bench.size, str(bench.model.dtype).removeprefix("torch.")
    return "\n".join(
        [
            f"- Command: `python {' '.join(sys.argv)}`",
            f"- Date: {datetime.date.today().isoformat()}; seed {size.seed}",
            f"- Machine: {describe_machine(str(bench.model.device), dtype)}",
            f"- Versions: {', '.join(f'{tool} {version(tool)}' for tool in tools)}",
            f"- Personas: {', '.join(names)}; {size.prompts} system prompts x {size.questions} questions each, "
            f"replies of up to 48 tokens; {size.gradients} replies a side for the gradients",
            f"- Layers {bench.layers[0]}-{bench.layers[-1]}; {size.probes} held-out questions, {size.tokens} tokens a "
            f"reply, at total displacements {', '.join(map(str, SCALES))}",
            f"- {retokenised}",
        ]
    )


def comparison(points: Points, found: Sequence[str]) -> str:
    """Return one row a method: its gain at equal damage, and the mean gain over damage beside ours."""
    names = list(dict.fromkeys(persona for persona, _ in points))
    heads = [*(f"gain at {damage}" for damage in DAMAGES), "area", "area / ours", *(f"area, {name}" for name in names)]
    rows = ["| method | " + " | ".join(heads) + " | ours ahead |", "|---|" + "---:|" * len(heads) + "---|"]
    whole = mean_over_personas(points, OURS, area)
    for method in found:
        cells = [f"{mean_over_personas(points, method, lambda row, d=d: gain_at(row, d)):+.3f}" for d in DAMAGES]
        mean = mean_over_personas(points, method, area)
        low, high = interval(points, method, lambda pair: pair[0] / pair[1])
        cells += [f"{mean:+.3f}", f"{mean / whole:.2f} [{low:.2f}, {high:.2f}]" if method != OURS else "1"]
        cells += [f"{area(curve(points[name, method])):+.3f}" for name in names]
        rows.append(f"| {method}{unreached(points, method)} | {' | '.join(cells)} | {verdict(points, method)} |")
    return "\n".join(rows)


def unreached(points: Points, method: str) -> str:
    """Mark a method some of whose curves end before the highest damage that is compared."""
    short = [row for (_, name), row in points.items() if name == method and curve(row)[-1][0] < DAMAGES[-1]]
    return f" ({len(short)} of its curves end below {DAMAGES[-1]}; their last gain is taken)" if short else ""


def verdict(points: Points, method: str) -> str:
    """Tell whether the interval of our area less a method's lies above 0, below it or around it."""
    if method == OURS:
        return ""
    low, high = interval(points, method, lambda pair: pair[1] - pair[0])
    sure = "yes" if low > 0 else "no, behind" if high < 0 else "not shown"
    return f"{sure}: {low:+.3f} to {high:+.3f}"


def curves(points: Points) -> str:
    """Return damage and gain at every scale."""
    rows = ["| persona | method | " + " | ".join(map(str, SCALES)) + " |", "|---|---|" + "---:|" * len(SCALES)]
    for (persona, method), found in points.items():
        cells = [f"{damage:.2f}: {gain:+.2f}" for damage, gain in curve(found)[1:]]
        cells += [""] * (len(SCALES) - len(cells))
        rows.append(f"| {persona} | {method} | {' | '.join(cells)} |")
    return "\n".join(rows)


def kept_tokens(peers: Peers, contrasts: Sequence[Contrast]) -> str:
    """Return how many texts a peer's tokenizer splits into the very tokens that were sampled."""
    unique = {rollout.token_ids for contrast in contrasts for rollout in (*contrast.positive, *contrast.negative)}
    texts = [(tokens, peers.tokenizer.decode(list(tokens))) for tokens in unique]
    same = sum(tuple(peers.tokenizer(text)["input_ids"]) == tokens for tokens, text in texts)
    return f"{same} of {len(texts)} texts are split by the peers into the very tokens that were sampled"


def main(names: Sequence[str], size: Size, page: Path | None) -> None:
    """Measure every method on every persona's contrast; print the tables and keep them on the page, as they come."""
    bench = Bench(size)
    peers, points, done = Peers(bench), {}, []
    for contrast in bench.contrasts(names):
        peers.check_layers(bench, peers.text(contrast.positive[0]))
        profiles = {name: make(contrast) for name, make in methods(bench, peers).items()}
        for method, found in measure(bench, contrast, profiles).items():
            points[contrast.persona.name, method] = found
        done.append(contrast)
        text = report(bench, points, kept_tokens(peers, done))
        print(text, flush=True)
        if page is not None:
            write_section("figures", text, page)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("personas", nargs="*", default=["sage", "trickster", "explorer"])
    for name, default in (("prompts", 5), ("questions", 5), ("gradients", 12), ("probes", 8), ("tokens", 24)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    main(
        given.personas,
        Size(given.prompts, given.questions, given.gradients, given.probes, given.tokens, given.seed),
        given.page,
    )
