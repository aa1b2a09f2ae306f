"""Distillation: a persona's displacement, fitted so that the bare model talks as the persona's prompts make it talk.

The teacher is the model under the persona's own system prompts, and away from what other personas' prompts make of it;
the student is the model without a prompt, steered. Context distillation (arXiv 2112.00861) into an activation addition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from persona_core.base.messages import question_messages
from persona_core.extraction.activations import ActivationExtractor
from persona_core.extraction.data import persona_dataset
from persona_core.model.fitting import DisplacementFit, Lesson
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import prediction_log_probs
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.dataset import PersonaDataset
from persona_core.personas.manager import PersonaManager
from persona_core.vectors.store import SAFETY
from persona_core.vectors.vector import PersonaVector

METHOD = "displacement distilled from the persona's prompts and away from the others', orthogonal to the safety axis"
CONTRAST = 2.0
"""How far the target goes on from the other personas' predictions through the persona's own, in log-probability."""
_TEACHERS = 2
_TOKENS = 32
_PERSONA_REPLIES, _DEFAULT_REPLIES = 30, 10
_PERSONA_ROWS, _DEFAULT_ROWS = 5, 2
_CHOICES = 64
_ALLOWED = 1e-3
"""The least probability of a token that the target allows, as a share of that of the likeliest one."""
_UNIT_DOSE = 0.12
_AT_A_TIME = 10


def fit_persona(
    extractor: ActivationExtractor,
    manager: PersonaManager,
    vector: PersonaVector,
    dataset: PersonaDataset,
    replies: Sequence[Rollout],
) -> PersonaVector:
    """Return the vector with the fitted displacement as its directions at its target layers.

    `replies` are those of the persona's side of the dataset. With `extraction.fit_steps` 0 nothing is fitted.
    """
    steps, model, layers = manager.config.extraction.fit_steps, extractor.model, list(vector.header.target_layers)
    if not steps:
        return vector
    taught = lessons(extractor, manager, dataset, replies)
    axis = manager.store.axis(SAFETY, model.identity).directions if manager.store.part_path(SAFETY) else None
    unit_length = _UNIT_DOSE / len(layers) * vector.residual_norm
    fit = DisplacementFit(model, layers, unit_length, axis, extractor.progress, f"{vector.name}: fit")
    directions = vector.directions.clone()
    directions[layers] = fit.run(_batches(*taught, steps, manager.config.extraction.seed))[layers]
    return replace(vector.with_header(fit_steps=steps, method=METHOD), directions=directions)


def lessons(
    extractor: ActivationExtractor, manager: PersonaManager, dataset: PersonaDataset, replies: Sequence[Rollout]
) -> tuple[list[Lesson], list[Lesson]]:
    """Return what is taught on some of the persona's own replies, and on some of the default assistant's."""
    own, others = dataset.persona_prompts[:_TEACHERS], _other_prompts(manager, dataset.name)
    questions = dataset.questions[:_DEFAULT_REPLIES]
    default = extractor.roll_out(dataset.default_prompts[:1], questions, "default", f"{dataset.name}: default replies")
    chosen, stage = [*_spread(replies, _PERSONA_REPLIES), *default], f"{dataset.name}: lessons"
    taught: list[Lesson] = []
    for start in range(0, len(chosen), _AT_A_TIME):
        extractor.progress(stage, start, len(chosen))
        taught += _lessons(extractor.model, chosen[start : start + _AT_A_TIME], own, others)
    extractor.progress(stage, len(chosen), len(chosen))
    return taught[: -len(default)], taught[-len(default) :]


def _other_prompts(manager: PersonaManager, name: str) -> list[str]:
    """Return the first system prompt of every other reference persona that is installed."""
    references = manager.config.extraction.reference_archetypes
    others = [other for other in references if other != name and other in manager.archetypes]
    return [persona_dataset(manager, other).persona_prompts[0] for other in others]


def _spread(rollouts: Sequence[Rollout], most: int) -> list[Rollout]:
    """Return up to `most` of the replies, from the first to the last."""
    if len(rollouts) <= most:
        return list(rollouts)
    return [rollouts[index * len(rollouts) // most] for index in range(most)]


def _lessons(
    model: ModelWrapper, rollouts: Sequence[Rollout], own: Sequence[str], others: Sequence[str]
) -> list[Lesson]:
    """Return what the persona's prompts predict at each reply's tokens, moved away from what the others' predict."""
    questions = [rollout.messages[-1]["content"] for rollout in rollouts]
    replies = [rollout.token_ids[rollout.response_start :][:_TOKENS] for rollout in rollouts]
    mine = _mean_predictions(model, questions, replies, own)
    theirs = _mean_predictions(model, questions, replies, others) if others else mine
    lessons = []
    for question, reply, *predictions in zip(questions, replies, mine, theirs, strict=True):
        prompt = tuple(model.encode(question_messages(question)))
        lessons.append(Lesson(prompt, tuple(reply), *target(*predictions)))
    return lessons


def target(
    own: Float[Tensor, "token vocab"], others: Float[Tensor, "token vocab"]
) -> tuple[Int[Tensor, "token choice"], Float[Tensor, "token choice"]]:
    """Return the likeliest tokens of `own + CONTRAST (own - others)`, and their log-probabilities among themselves.

    Tokens that are implausible under `own` are ruled out: the contrast of two small probabilities may be large.
    """
    ruled_out = own < own.amax(-1, keepdim=True) + math.log(_ALLOWED)
    apart = (own + CONTRAST * (own - others)).masked_fill(ruled_out, -torch.inf)
    best = apart.topk(min(_CHOICES, apart.shape[-1]), -1)
    return best.indices, torch.log_softmax(best.values, -1)


def _mean_predictions(
    model: ModelWrapper, questions: Sequence[str], replies: Sequence[Sequence[int]], systems: Sequence[str]
) -> list[Float[Tensor, "token vocab"]]:
    """Return the mean over system prompts of the log-probabilities at each reply's tokens."""
    totals: list[Tensor] = []
    for system in systems:
        prompts = [model.encode(question_messages(question, system)) for question in questions]
        predicted = prediction_log_probs(model, prompts, replies)
        totals = [total + row for total, row in zip(totals, predicted, strict=True)] if totals else list(predicted)
    return [total / len(systems) for total in totals]


def _batches(persona: Sequence[Lesson], default: Sequence[Lesson], steps: int, seed: int) -> list[list[Lesson]]:
    """Return what each step is taught: some lessons of either side, drawn anew for every step."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(lessons: Sequence[Lesson], n: int) -> list[Lesson]:
        return [lessons[index] for index in torch.randperm(len(lessons), generator=generator)[:n].tolist()]

    return [drawn(persona, _PERSONA_ROWS) + drawn(default, _DEFAULT_ROWS) for _ in range(steps)]
