"""Persona: extracts one persona from its dataset to its saved vector, with the model's baseline and axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from persona_core.base.progress import Progress, silent
from persona_core.extraction.activations import ActivationExtractor, Activations
from persona_core.extraction.calibration import calibrate, placed
from persona_core.extraction.data import persona_dataset
from persona_core.extraction.distillation import fit_persona
from persona_core.model.gradient import reply_gradient
from persona_core.model.rollouts import Rollout
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.building import Agreement, build_persona, with_stability
from persona_core.personas.dataset import PersonaDataset
from persona_core.personas.manager import OWN, PersonaManager
from persona_core.settings.config import Config
from persona_core.vectors.maths import cosine, persona_direction, read_and_write, unit
from persona_core.vectors.store import ASSISTANT
from persona_core.vectors.vector import Axis, Baseline, PersonaVector

_GRADIENT_REPLIES = 16
"""Replies of each half whose gradient is taken."""


@dataclass(frozen=True)
class RawPersona:
    """What a persona's replies give before the other personas are taken into account."""

    raw: Float[Tensor, "layer hidden"]
    gradient: Float[Tensor, "layer hidden"]
    agreement: Agreement
    n_rollouts: int


@dataclass(frozen=True)
class PersonaReplies:
    """A persona's replies as activations, and the mean gradients of some replies of the even and of the odd half."""

    activations: Activations
    gradients: tuple[Float[Tensor, "layer hidden"], Float[Tensor, "layer hidden"]]


def extract_persona(
    model: ModelWrapper,
    manager: PersonaManager,
    name: str,
    *,
    replies: PersonaReplies | None = None,
    progress: Progress = silent,
    save: bool = True,
) -> PersonaVector:
    """Extract, measure, calibrate and save one persona; raise `VectorNotFound` where the axes are missing.

    Give `replies` where the axes have just been made from them; they are then not sampled and read again.
    """
    baseline = manager.store.baseline(model.identity)
    dataset = persona_dataset(manager, name)
    extractor = ActivationExtractor(model, manager.config, progress=progress)
    replies = replies or persona_replies(extractor, dataset, name)
    raw_persona = measure_persona(extractor, manager, dataset, replies)
    vector = _uncalibrated(manager, name, dataset, raw_persona, baseline)
    vector = placed(model, vector, dataset, manager, progress=progress)
    vector = fit_persona(extractor, manager, vector, dataset, replies.activations.rollouts)
    measured = with_stability(vector, raw_persona.agreement, comparable(manager, vector))
    calibrated = calibrate(model, measured, dataset, manager, progress=progress)
    if save:
        manager.save(calibrated)
    return calibrated


def _uncalibrated(
    manager: PersonaManager, name: str, dataset: PersonaDataset, raw_persona: RawPersona, baseline: Baseline
) -> PersonaVector:
    archetype, source = manager.archetypes.get(name, (None, OWN))
    header = {
        "archetype": name if archetype else "",
        "source": source,
        "dataset_digest": dataset.digest(),
        "questions_digest": dataset.default_digest(),
        "n_rollouts": raw_persona.n_rollouts,
    }
    description = archetype.description if archetype else ""
    return build_persona(
        name, raw_persona.raw, description, manager.store, manager.config, baseline, header, raw_persona.gradient
    )


def comparable(manager: PersonaManager, vector: PersonaVector) -> list[PersonaVector]:
    """Return the other personas of the same model, without damaged files, which `list` reports."""
    names = [entry.name for entry in manager.entries() if entry.header and entry.header.model == vector.header.model]
    return [manager.store.persona(name) for name in names if name != vector.name]


def persona_replies(extractor: ActivationExtractor, dataset: PersonaDataset, name: str) -> PersonaReplies:
    """Sample the persona side of a dataset, and return its activations and gradients."""
    rollouts = extractor.roll_out(dataset.persona_prompts, dataset.questions, "persona", f"{name}: replies")
    activations = extractor.capture(rollouts, f"{name}: activations")
    odd, _ = halves(len(activations.rollouts), len(dataset.questions))
    return PersonaReplies(activations, half_gradients(extractor, activations.rollouts, odd, name))


def default_activations(extractor: ActivationExtractor, dataset: PersonaDataset) -> Activations:
    """Sample the default side of a dataset, and return its activations."""
    rollouts = extractor.roll_out(dataset.default_prompts, dataset.questions, "default", "default: replies")
    return extractor.capture(rollouts, "default: activations")


def measure_persona(
    extractor: ActivationExtractor, manager: PersonaManager, dataset: PersonaDataset, replies: PersonaReplies
) -> RawPersona:
    """Compute a persona's raw vector, its gradient, and how well two halves of its replies agree.

    The replies are compared with the stored baseline if that was made from the same questions, else with the default
    side of this dataset.
    """
    baseline = manager.store.baseline(extractor.model.identity)
    default = baseline.mean
    if baseline.header.questions_digest != dataset.default_digest():
        default = default_activations(extractor, dataset).mean.mean(0)
    moved = replies.activations.mean - default
    odd, paired = halves(len(moved), len(dataset.questions))
    axis = manager.store.axis(ASSISTANT, extractor.model.identity)
    return RawPersona(
        raw=moved.mean(0),
        gradient=torch.stack(replies.gradients).mean(0),
        agreement=agreement(moved, replies.gradients, odd & paired, ~odd & paired, axis, manager.config),
        n_rollouts=len(moved),
    )


def half_gradients(
    extractor: ActivationExtractor, rollouts: Sequence[Rollout], odd: Bool[Tensor, "rollout"], name: str
) -> tuple[Float[Tensor, "layer hidden"], Float[Tensor, "layer hidden"]]:
    """Return the mean gradient of some replies of the even half, and of as many of the odd half."""
    gradients = []
    for half, label in ((~odd, "even"), (odd, "odd")):
        indices = half.nonzero()[:, 0].tolist()
        spread = indices[:: max(len(indices) // _GRADIENT_REPLIES, 1)][:_GRADIENT_REPLIES]
        replies, stage = [rollouts[index] for index in spread], f"{name}: gradient, {label} half"
        gradients.append(reply_gradient(extractor.model, replies, progress=extractor.progress, stage=stage))
    return gradients[0], gradients[1]


def halves(n_rollouts: int, n_questions: int) -> tuple[Bool[Tensor, "rollout"], Bool[Tensor, "rollout"]]:
    """Return (which replies are in the odd half, which have a partner in the other half).

    The halves are the two colours of a chessboard of prompts and questions, so each half has every question and every
    prompt equally often. A last prompt without a partner is left out. With one prompt, the halves differ in questions.
    """
    index = torch.arange(n_rollouts)
    n_prompts = n_rollouts // n_questions
    paired = index < (n_prompts - n_prompts % 2) * n_questions if n_prompts > 1 else index >= 0
    return (index // n_questions + index % n_questions) % 2 == 1, paired


def agreement(
    moved: Float[Tensor, "rollout layer hidden"],
    gradients: Sequence[Float[Tensor, "layer hidden"]],
    odd: Bool[Tensor, "rollout"],
    even: Bool[Tensor, "rollout"],
    axis: Axis,
    config: Config,
) -> Agreement:
    """Return the lower of two agreements of the halves: of their mean differences, and of the directions in use."""
    assert axis.shared is not None
    assert axis.shared_gradient is not None
    means = moved[even].mean(0), moved[odd].mean(0)
    directions = [
        read_and_write(
            persona_direction(half, axis.shared, config.extraction.shared_fraction), gradient - axis.shared_gradient
        )
        for half, gradient in zip(means, gradients, strict=True)
    ]
    whole = unit(directions[0]) + unit(directions[1])
    with_whole = torch.stack([cosine(half, whole) for half in directions]).mean(0)
    return Agreement(torch.minimum(cosine(*means), cosine(*directions)), with_whole)
