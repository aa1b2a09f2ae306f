"""Extraction from start to file: a persona's vector from its dataset, given the model's baseline and axes."""

from __future__ import annotations

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
from persona_core.vector_math import cosine, persona_direction
from persona_core.vector_store import ASSISTANT


def extract_persona(
    model: ModelWrapper, manager: PersonaManager, name: str, *, progress: Progress = silent, save: bool = True
) -> PersonaVector:
    """Extract, judge, calibrate and save one persona; raise `VectorNotFound` before the axes are made."""
    baseline = manager.store.baseline(model.identity)
    dataset = persona_dataset(manager, name)
    extractor = ActivationExtractor(model, manager.config, progress=progress)
    raw, steady, n_rollouts = _raw(extractor, manager, dataset, name)
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
    judged = judge(vector, steady, comparable(manager, vector))
    vector = calibrate(model, judged, dataset, manager, progress=progress)
    if save:
        manager.save(vector)
    return vector


def comparable(manager: PersonaManager, vector: PersonaVector) -> list[PersonaVector]:
    """Return the other personas of the same model; damaged files and those of another model are in `list`."""
    headers = {name: header for name, _, header in manager.store.headers() if name in manager.names()}
    same = [name for name, header in headers.items() if getattr(header, "model", None) == vector.header.model]
    return [manager.store.persona(name) for name in same if name != vector.name]


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
    default = baseline.mean
    if baseline.header.questions_digest != dataset.default_digest():
        default = default_activations(extractor, dataset).mean.mean(0)
    shared = manager.store.axis(ASSISTANT, extractor.model.identity).shared
    assert shared is not None
    moved = persona - default
    own = persona_direction(moved, shared, manager.config.extraction.shared_fraction)
    steady = torch.minimum(*(stability(rows, len(dataset.questions)) for rows in (moved, own)))
    return moved.mean(0), steady, len(persona)


def stability(rows: Float[Tensor, "rollout layer hidden"], n_questions: int) -> Float[Tensor, "layer"]:
    """Return the cosine of two halves of replies, each reply taken as a direction of its own.

    Each half has every question and every prompt equally often, as on a chessboard of prompts and questions; a last
    prompt without a partner is left out. With one prompt alone the halves differ in their questions.
    """
    n_prompts = len(rows) // n_questions
    rows = rows[: (n_prompts - n_prompts % 2) * n_questions] if n_prompts > 1 else rows
    place = torch.arange(len(rows))
    odd = (place // n_questions + place % n_questions) % 2 == 1
    return cosine(rows[~odd].mean(0), rows[odd].mean(0))
