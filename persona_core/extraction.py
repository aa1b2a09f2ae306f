"""Extraction from start to file: a persona's vector from its dataset, given the model's baseline and axes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.activation_extractor import ActivationExtractor, Activations
from persona_core.calibration import calibrate
from persona_core.dataset import PersonaDataset
from persona_core.model_wrapper import ModelWrapper
from persona_core.persona_data import persona_dataset
from persona_core.persona_manager import OWN, PersonaManager
from persona_core.persona_vector import PersonaVector
from persona_core.progress import Progress, silent
from persona_core.vector_building import build_persona, judge
from persona_core.vector_math import split_half_cosine

Say = Callable[[str], None]


def extract_persona(
    model: ModelWrapper, manager: PersonaManager, name: str, *, progress: Progress = silent, save: bool = True
) -> PersonaVector:
    """Extract, judge, calibrate and save one persona; raise `VectorNotFound` before the axes are made."""
    baseline = manager.store.baseline(model.identity)
    dataset = persona_dataset(manager, name)
    extractor = ActivationExtractor(model, manager.config, progress=progress)
    raw, stability, n_rollouts = _raw(extractor, manager, dataset, name)
    archetype, source = manager.archetypes.get(name, (None, OWN))
    header = {
        "archetype": name if archetype else "",
        "source": source,
        "dataset_digest": dataset.digest(),
        "questions_digest": dataset.default_digest(),
        "n_rollouts": n_rollouts,
    }
    description = archetype.description if archetype else ""
    vector = build_persona(name, raw, description, manager.store, manager.config, baseline, header)
    others = [manager.store.persona(other, model.identity) for other in manager.names() if other != name]
    vector = calibrate(model, judge(vector, stability, others), dataset, manager, progress=progress)
    if save:
        manager.save(vector)
    return vector


def persona_activations(extractor: ActivationExtractor, dataset: PersonaDataset, name: str) -> Activations:
    """Return the persona side of a dataset, captured."""
    rollouts = extractor.roll_out(dataset.persona_prompts, dataset.questions, "persona", f"{name}: replies")
    return extractor.capture(rollouts, f"{name}: activations")


def default_activations(extractor: ActivationExtractor, dataset: PersonaDataset) -> Activations:
    """Return the default side of a dataset, captured."""
    rollouts = extractor.roll_out(dataset.default_prompts, dataset.questions, "default", "default: replies")
    return extractor.capture(rollouts, "default: activations")


def _raw(
    extractor: ActivationExtractor, manager: PersonaManager, dataset: PersonaDataset, name: str
) -> tuple[Float[Tensor, "layer hidden"], Float[Tensor, "layer"], int]:
    """Return (raw mean difference, its stability per layer, replies used); the stored baseline serves if it fits."""
    baseline = manager.store.baseline(extractor.model.identity)
    persona = persona_activations(extractor, dataset, name).mean
    if baseline.header.questions_digest == dataset.default_digest():
        raw, default = persona.mean(0) - baseline.mean, baseline.mean.expand(2, -1, -1)
    else:
        default = default_activations(extractor, dataset).mean
        raw = persona.mean(0) - default.mean(0)
    half = _shared_free(split_halves(persona), default, manager)
    return raw, half, len(persona)


def split_halves(rows: Float[Tensor, "rollout layer hidden"]) -> Float[Tensor, "2 layer hidden"]:
    """Return the means of the even and the odd rollouts."""
    return torch.stack([rows[0::2].mean(0), rows[1::2].mean(0)])


def _shared_free(
    halves: Float[Tensor, "2 layer hidden"], default: Float[Tensor, "rollout layer hidden"], manager: PersonaManager
) -> Float[Tensor, "layer"]:
    """Return the cosine of two halves after the part that all personas share is taken out."""
    shared = manager.store.axis("assistant_axis").shared
    negative = split_halves(default)
    if shared is not None:
        negative = negative + shared
    return split_half_cosine(halves, negative)
