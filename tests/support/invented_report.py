"""A whole evaluation report with invented figures, for tests of what shows a report."""

from persona_core.evaluation.broken import KINDS
from persona_core.evaluation.conversations import READ_TURNS, ConversationResult, Figures, TurnFigures
from persona_core.evaluation.damage import NeutralCost
from persona_core.evaluation.dose_response import STRENGTHS, BlendResult, DosePoint, DoseResult
from persona_core.evaluation.effect import BOTH, PROMPTS, RANDOM, VECTORS, EffectResult, GroupEffect
from persona_core.evaluation.first_tokens import FirstTokens
from persona_core.evaluation.readability import PLAIN, BrokenReply, Readability, ReadabilityResult
from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.safety import FloorEffect, SafetyResult
from persona_core.evaluation.stability import StabilityResult
from persona_core.evaluation.statistics import Interval
from persona_core.vectors.file import ModelIdentity

PERSONAS = ["creator", "explorer", "guardian", "sage", "trickster"]
PAIRS = [f"{a}+{b}" for index, a in enumerate(PERSONAS) for b in PERSONAS[index + 1 :]]
PARTS = ("effect", "conversations", "voices", "neutral", "doses", "blends", "safety", "stability")


def invented_report(personas: list[str] | None = None) -> EvaluationReport:
    """Return a report of every part; other names may be given."""
    names = personas or PERSONAS
    identity = ModelIdentity(
        name="smollm2", slug="smollm2-135m-instruct", fingerprint="f00d", template_hash="beef", n_layers=30,
        hidden_size=576,
    )  # fmt: skip
    strengths = {VECTORS: 0.28, PROMPTS: 0.17, BOTH: 0.31, RANDOM: 0.0}
    groups = {name: _group(names, strength) for name, strength in strengths.items()}
    return EvaluationReport(
        created="2026-11-25T09:30:00+00:00",
        model=identity,
        machine="2-core CPU, Linux",
        versions={"persona-core": "0.1.0", "torch": "2.13.0"},
        seed=7,
        digest="0123456789ab",
        judge="log-prob",
        prompt_set="core+base",
        personas=names,
        without_judge_prompts=[],
        effect=EffectResult(
            personas=names,
            questions=24,
            unit="nats/token",
            groups=groups,
            ahead_of_prompts={
                name: Interval(value=0.06, low=0.01, high=0.11)
                for name in ("identification", "centred_identification", "specificity")
            },
            unsteered_scores={name: -0.31 + 0.07 * index for index, name in enumerate(names)},
            unsteered_distinct_pairs=0.8125,
            unsteered_repetition=0.0417,
            samples={"unsteered": "It depends.", f"{VECTORS}: {names[0]}": "Paint it <b>blue</b> & sing."},
            readability=ReadabilityResult(
                groups={name: _readability(names, strength) for name, strength in (strengths | {PLAIN: 0.05}).items()},
                first_tokens=FirstTokens(log_prob=-6.37, n=2400),
                broken_replies=[_broken_reply(names[0])],
            ),
        ),
        conversations=ConversationResult(
            conversations=10,
            groups={name: [_turn(turn) for turn in READ_TURNS] for name in (VECTORS, PROMPTS, PLAIN)},
            change={name: Figures(**_turn_figures(0.013)) for name in (VECTORS, PROMPTS, PLAIN)},
            broken_replies=[_broken_reply(names[-1])],
        ),
        voices={name: 0.113 + 0.04 * index for index, name in enumerate(names)},
        neutral={
            name: NeutralCost(kl=0.0213 + 0.011 * index, top1=0.951 - 0.013 * index)
            for index, name in enumerate(names)
        },
        doses=DoseResult(
            questions=4, default_strength=0.8, curves={name: _curve(index) for index, name in enumerate(names)}
        ),
        blends=BlendResult(
            questions=24, chance=0.1, both=_interval(0.637, 0.06), both_centred=_interval(0.718, 0.05),
            by_pair={pair: 0.45 + 0.037 * index for index, pair in enumerate(PAIRS)}, damage=_interval(0.42, 0.05),
        ),
        safety=_safety(names),
        stability=StabilityResult(
            split_half={name: 0.41 + 0.1 * index for index, name in enumerate(names)},
            half_whole={name: 0.71 + 0.05 * index for index, name in enumerate(names)},
        ),
    )  # fmt: skip


def _interval(value: float, half: float) -> Interval:
    return Interval(value=round(value, 4), low=round(value - half, 4), high=round(value + half, 4))


def _group(names: list[str], strength: float) -> GroupEffect:
    n = len(names)
    wobble = [[0.013 * ((3 * row + 5 * column) % 7 - 3) for column in range(n)] for row in range(n)]
    centred = [
        [strength * (0.8 if row == column else -0.8 / (n - 1)) + wobble[row][column] for column in range(n)]
        for row in range(n)
    ]
    return GroupEffect(
        matrix=[[value - 0.2 + 0.06 * column for column, value in enumerate(row)] for row in centred],
        double_centred=centred,
        specificity=_interval(strength * 0.8, 0.03),
        identification=_interval(0.2 + 1.6 * strength, 0.08),
        centred_identification=_interval(0.21 + 2.1 * strength, 0.07),
        rows_won=n if strength > 0.2 else 3,
        columns_won=n - 1 if strength > 0.2 else 2,
        own_gain={name: _interval(1.4 * strength + 0.031 * index, 0.05) for index, name in enumerate(names)},
        damage={name: _interval(1.5 * strength + 0.021 * index, 0.04) for index, name in enumerate(names)},
        distinct_pairs=0.792 - 0.2 * strength,
        repetition=0.052 + 0.3 * strength,
    )


def _readability(names: list[str], strength: float) -> Readability:
    return Readability(
        coherence=_interval(1.02 + strength, 0.07),
        broken=_interval(0.011 + 0.1 * strength, 0.01),
        first_token_faults=_interval(0.012 + 0.2 * strength, 0.011),
        on_topic=_interval(1.01 - 0.4 * strength, 0.06),
        kinds={kind: index for index, kind in enumerate(KINDS)},
        replies=24 * len(names),
        coherence_of={name: _interval(0.97 + strength + 0.03 * index, 0.09) for index, name in enumerate(names)},
        broken_of={name: _interval(0.013 + 0.02 * index, 0.012) for index, name in enumerate(names)},
    )


def _broken_reply(name: str) -> BrokenReply:
    said = {"question": "How do I rest?", "kinds": ["loop"], "text": "the night <i>the night</i> the night"}
    return BrokenReply(group=VECTORS, persona=name, **said)


def _turn(turn: int) -> TurnFigures:
    kinds = {kind: index for index, kind in enumerate(KINDS)}
    return TurnFigures(turn=turn, kinds=kinds, replies=50, **_turn_figures(0.41 - 0.011 * turn))


def _turn_figures(value: float) -> dict[str, Interval]:
    figures = ("identification", "centred_identification", "coherence", "broken", "echo")
    return {figure: _interval(value + 0.017 * index, 0.02) for index, figure in enumerate(figures)}


def _curve(index: int) -> list[DosePoint]:
    return [
        DosePoint(
            strength=strength,
            gain=round((0.36 + 0.06 * index) * strength / (0.4 + strength), 4),
            damage=round((0.42 + 0.05 * index) * strength**1.7, 4),
            repetition=round(0.04 + 0.02 * strength + 0.01 * index, 4),
        )
        for strength in STRENGTHS
    ]


def _safety(names: list[str]) -> SafetyResult:
    floor = FloorEffect(
        benign_kl=0.0109,
        benign_top1=0.9642,
        neutral=NeutralCost(kl=0.0087, top1=0.9713),
        jailbreak_odds=_interval(-4.62, 0.41),
        jailbreak_rise=_interval(1.13, 0.22),
        refusal_rate=0.083,
        refusal_rate_floor=0.25,
        over_refusal_rate=0.042,
        over_refusal_rate_floor=0.125,
        over_refusal_rise=0.37,
    )
    mixtures = [*names, *PAIRS]
    return SafetyResult(
        capping_layers=list(range(15, 25)),
        percentile=25.0,
        refuse_comply_auc=[0.71 + 0.009 * min(layer, 30) for layer in range(30)],
        default_persona_auc=[0.5 + 0.02 * ((layer * 7) % 5 - 2) for layer in range(30)],
        floor=floor,
        jailbreak_odds={name: (-5.1 + 0.13 * index, -4.2 + 0.11 * index) for index, name in enumerate(mixtures)},
        effect_kept={name: 0.953 + 0.011 * index for index, name in enumerate(names)},
    )


def without(report: EvaluationReport, *parts: str) -> EvaluationReport:
    """Return a report without some of its parts."""
    return report.model_copy(update=dict.fromkeys(parts))
