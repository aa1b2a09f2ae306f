"""Calibration: the dose that strength 1.0 stands for, found by what it costs in fluency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from persona_core.dataset import PersonaDataset
from persona_core.decoding import Row, Sampling, decode
from persona_core.model_wrapper import ModelWrapper
from persona_core.persona_data import calibration_questions
from persona_core.persona_manager import PersonaManager
from persona_core.persona_vector import PersonaVector
from persona_core.progress import Progress, silent
from persona_core.rollout import chat
from persona_core.scoring import reply_log_probs
from persona_core.steering_plan import AddDirection, SteeringPlan
from persona_core.vector_file import Calibration

DOSES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
N_QUESTIONS = 8
_TOKENS = 32
_SEED = 7919


@dataclass(frozen=True)
class _Trial:
    """One question at one dose, with its reply."""

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
    """Return the vector with the strongest dose whose replies cost no more than the damage budget.

    Damage is the rise of the reply's negative log-likelihood under the unsteered model, in nats per token; gain the
    rise of `log p(reply | persona prompt) - log p(reply | default prompt)`. Both over questions that extraction does
    not use where the bank has such, every dose in one batch, the same seeds at every dose.
    """
    trials = _answer(model, vector, calibration_questions(manager, dataset, N_QUESTIONS), progress)
    plain = _log_probs(model, trials, "")
    persona = sum(_log_probs(model, trials, prompt) for prompt in dataset.persona_prompts[:2])
    contrast = persona / len(dataset.persona_prompts[:2]) - plain
    curve = _curve(trials, plain, contrast)
    calibration = _choose(curve, manager.config.extraction.damage_budget)
    warnings = vector.header.warnings
    if calibration.gain <= 0:
        warnings += (f"{vector.name} does not show: at strength 1.0 its replies are no likelier under its own prompt",)
    return vector.with_header(calibration=calibration, warnings=warnings)


def _answer(model: ModelWrapper, vector: PersonaVector, questions: Sequence[str], progress: Progress) -> list[_Trial]:
    trials = [
        _Trial(question, dose, Row(model.encode(chat(question)), _plan(vector, dose), _SEED + place))
        for dose in (0.0, *DOSES)
        for place, question in enumerate(questions)
    ]
    sampling = Sampling(_TOKENS, model.config.generation.temperature, model.config.generation.top_p)
    for done, _ in enumerate(decode(model, [trial.row for trial in trials], sampling)):
        progress(f"{vector.name}: calibration", done + 1, _TOKENS)
    return trials


def _plan(vector: PersonaVector, dose: float) -> SteeringPlan:
    if dose == 0:
        return SteeringPlan()
    moved = vector.displacement(dose)
    return SteeringPlan(tuple(AddDirection(layer, moved[layer]) for layer in vector.header.target_layers))


def _log_probs(model: ModelWrapper, trials: Sequence[_Trial], system: str) -> torch.Tensor:
    prompts = [model.encode(chat(trial.question, system)) for trial in trials]
    return reply_log_probs(model, prompts, [trial.row.tokens for trial in trials])


def _curve(
    trials: Sequence[_Trial], plain: torch.Tensor, contrast: torch.Tensor
) -> tuple[tuple[float, float, float], ...]:
    """Return (dose, damage, gain) per dose; damage never falls as the dose rises (running maximum)."""
    points = []
    for dose in (0.0, *DOSES):
        here = torch.tensor([trial.dose == dose for trial in trials])
        points.append((dose, -float(plain[here].mean()), float(contrast[here].mean())))
    _, cost, start = points[0]
    curve, worst = [], 0.0
    for dose, loss, effect in points:
        worst = max(worst, loss - cost)
        curve.append((dose, round(worst, 4), round(effect - start, 4)))
    return tuple(curve)


def _choose(curve: Sequence[tuple[float, float, float]], budget: float) -> Calibration:
    """Return the highest dose within the budget, linear between the two points around it."""
    for low, high in pairwise(curve):
        if high[1] > budget:
            part = (budget - low[1]) / (high[1] - low[1])
            dose, damage, gain = (round(a + part * (b - a), 4) for a, b in zip(low, high, strict=True))
            return Calibration(dose=dose, damage_budget=budget, damage=damage, gain=gain, curve=tuple(curve))
    dose, damage, gain = curve[-1]
    return Calibration(dose=dose, damage_budget=budget, damage=damage, gain=gain, curve=tuple(curve))
