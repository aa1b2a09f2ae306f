"""Calibration: finds the dose that strength 1.0 stands for, within the damage budget, and before it the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import torch

from persona_core.base.messages import question_messages
from persona_core.base.progress import Progress, silent
from persona_core.extraction.data import calibration_questions
from persona_core.extraction.layer_bands import best_band, dose_plan
from persona_core.model.decoding import Row, Sampling, generate_tokens
from persona_core.model.scoring import plan_costs, reply_log_probs
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.dataset import PersonaDataset
from persona_core.personas.manager import PersonaManager
from persona_core.steering.plan import UNSTEERED
from persona_core.vectors.file import Calibration
from persona_core.vectors.vector import PersonaVector

DOSES = (0.04, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3)
_SHARES = (0.3, 0.5, 0.7, 0.85, 1.0, 1.25, 1.6)
"""Trial doses of a fitted persona, as shares of the dose that it was fitted at."""
_TOKENS = 32
_SEED = 7919
_PROMPTS = 2


@dataclass(frozen=True)
class Trial:
    """One question asked at one dose, or under the persona's own system prompt; `row` receives the reply."""

    question: str
    dose: float
    row: Row


def calibrate(
    model: ModelWrapper,
    vector: PersonaVector,
    dataset: PersonaDataset,
    manager: PersonaManager,
    *,
    progress: Progress = silent,
) -> PersonaVector:
    """Return the vector with the strongest dose within the budget, for direct and for guided decoding.

    Damage is the larger of two figures, in nats per token: the rise of the steered replies' negative log-likelihood
    under the unsteered model, and the KL from the unsteered to the steered prediction of unsteered replies (a reply
    that repeats itself is likely, so the first alone would not see it). The KL is that of the steered row, which a
    guided reply mixes with its companion. Gain is the rise of
    `log p(reply | persona prompt) - log p(reply | default prompt)`. The questions are those that extraction does not
    ask, if the bank has such; every dose replies to them with the same seeds.
    """
    plain = _plain_trials(model, calibration_questions(manager, dataset))
    _answer(model, plain, progress, f"{vector.name}: unsteered replies")
    search = _DoseSearch(model, vector, dataset, plain, progress)
    return calibrated(vector, search.calibration(), search.calibration(manager.config.steering.guidance))


def placed(
    model: ModelWrapper,
    vector: PersonaVector,
    dataset: PersonaDataset,
    manager: PersonaManager,
    *,
    progress: Progress = silent,
) -> PersonaVector:
    """Return the vector at the layers where it does the most for what it costs; as it is where it was fitted to some.

    The model is asked the questions of `calibrate`, with the persona's system prompts and without.
    """
    if vector.header.fit_steps:
        return vector
    questions = calibration_questions(manager, dataset)
    plain = _plain_trials(model, questions)
    prompted = [
        trial for prompt in dataset.persona_prompts[:_PROMPTS] for trial in _plain_trials(model, questions, prompt)
    ]
    _answer(model, [*plain, *prompted], progress, f"{vector.name}: prompted replies")
    return best_band(model, vector, _replies(model, prompted), _replies(model, plain), progress=progress)


def trial_doses(vector: PersonaVector) -> tuple[float, ...]:
    """Return the doses that are tried: around the one that a persona was fitted at, or a fixed row of them."""
    if not vector.header.fit_steps:
        return DOSES
    return tuple(round(share * vector.own_dose, 5) for share in _SHARES)


@dataclass
class _DoseSearch:
    """Tries a persona's doses on questions that were answered unsteered."""

    model: ModelWrapper
    vector: PersonaVector
    dataset: PersonaDataset
    plain: Sequence[Trial]
    progress: Progress

    @cached_property
    def kls(self) -> dict[float, float]:
        """Dose -> KL, in nats a token, from the unsteered to the steered prediction on unsteered replies."""
        asked, replies = zip(*_replies(self.model, self.plain), strict=True)
        doses = trial_doses(self.vector)
        costs = plan_costs(self.model, asked, replies, [dose_plan(self.vector, dose) for dose in doses])
        return {dose: kl for dose, (kl, _) in zip(doses, costs, strict=True)}

    def calibration(self, guidance: float = 0.0) -> Calibration:
        """Return the calibration of one way of decoding: direct where `guidance` is 0."""
        stage = f"{self.vector.name}: calibration, {'guided' if guidance else 'direct'}"
        steered = [
            replace(trial, dose=dose, row=Row(trial.row.prompt, dose_plan(self.vector, dose, guidance), trial.row.seed))
            for dose in self.kls
            for trial in self.plain
        ]
        _answer(self.model, steered, self.progress, stage)
        return choose(self._curve(steered), self.model.config.extraction.damage_budget, guidance)

    def _curve(self, steered: Sequence[Trial]) -> tuple[tuple[float, float, float], ...]:
        """Return (dose, damage, gain) for dose 0 and every trial dose; damage is a running maximum: it never falls."""
        trials = [*self.plain, *steered]
        prompts = self.dataset.persona_prompts[:_PROMPTS]
        bare, contrast = _scores(self.model, trials, prompts, self.progress, self.vector.name)
        doses = torch.tensor([trial.dose for trial in trials])
        start_loss, start_gain = (float(values[doses == 0].mean()) for values in (-bare, contrast))
        curve, worst = [(0.0, 0.0, 0.0)], 0.0
        for dose, kl in self.kls.items():
            at_dose = doses == torch.tensor(dose)
            worst = max(worst, -float(bare[at_dose].mean()) - start_loss, kl)
            curve.append((dose, round(worst, 4), round(float(contrast[at_dose].mean()) - start_gain, 4)))
        return tuple(curve)


def choose(curve: Sequence[tuple[float, float, float]], budget: float, guidance: float = 0.0) -> Calibration:
    """Return the highest dose within the budget, linear between the two points around it."""
    for low, high in pairwise(curve):
        if high[1] > budget:
            fraction = (budget - low[1]) / (high[1] - low[1])
            dose, damage, gain = (round(a + fraction * (b - a), 4) for a, b in zip(low, high, strict=True))
            break
    else:
        dose, damage, gain = curve[-1]
    return Calibration(dose=dose, damage_budget=budget, damage=damage, gain=gain, curve=tuple(curve), guidance=guidance)


def calibrated(vector: PersonaVector, direct: Calibration, guided: Calibration) -> PersonaVector:
    """Return the vector with its calibrations, and with a warning if the persona gains nothing at strength 1.0."""
    warnings = tuple(warning for warning in vector.header.warnings if "does not show" not in warning)
    if guided.gain <= 0:
        warnings += (f"{vector.name} does not show: at strength 1.0 its replies are no likelier under its own prompt",)
    return vector.with_header(calibration=direct, guided=guided, warnings=warnings)


def _plain_trials(model: ModelWrapper, questions: Sequence[str], system: str = "") -> list[Trial]:
    return [
        Trial(question, 0.0, Row(model.encode(question_messages(question, system)), UNSTEERED, _SEED + index))
        for index, question in enumerate(questions)
    ]


def _answer(model: ModelWrapper, trials: Sequence[Trial], progress: Progress, stage: str) -> None:
    sampling = Sampling(_TOKENS, model.config.generation.temperature, model.config.generation.top_p)
    for done, _ in enumerate(generate_tokens(model, [trial.row for trial in trials], sampling)):
        progress(stage, done + 1, _TOKENS)
    progress(stage, _TOKENS, _TOKENS)


def _replies(model: ModelWrapper, trials: Sequence[Trial]) -> list[tuple[list[int], list[int]]]:
    """Return each trial's question without a system prompt, and its reply, as tokens."""
    return [(model.encode(question_messages(trial.question)), trial.row.tokens) for trial in trials]


def _log_probs(model: ModelWrapper, trials: Sequence[Trial], system: str = "") -> torch.Tensor:
    prompts = [model.encode(question_messages(trial.question, system)) for trial in trials]
    return reply_log_probs(model, prompts, [trial.row.tokens for trial in trials])


def _scores(
    model: ModelWrapper, trials: Sequence[Trial], prompts: Sequence[str], progress: Progress, name: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each reply's log-probability per token without a system prompt, and its mean rise under `prompts`."""
    log_probs, stage = [], f"{name}: damage and gain"
    for done, prompt in enumerate(["", *prompts]):
        progress(stage, done, len(prompts) + 1)
        log_probs.append(_log_probs(model, trials, prompt))
    progress(stage, len(prompts) + 1, len(prompts) + 1)
    bare, *prompted = log_probs
    return bare, torch.stack(prompted).mean(0) - bare
