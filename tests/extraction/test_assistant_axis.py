"""Assistant axis and baseline: made from few replies of a model of random weights."""

import pytest
import torch

from persona_core import PersonaManager
from persona_core.errors import ExtractionError, PluginError
from persona_core.extraction.assistant_axis import (
    AxisExtraction,
    extract_assistant_axis,
    extract_baseline,
    projection_quantiles,
    separation,
)
from persona_core.extraction.data import persona_dataset, write_dataset
from persona_core.vectors.store import ASSISTANT


def test_the_baseline_is_the_default_assistants_mean_and_is_saved(work):
    baseline = extract_baseline(work)
    assert torch.allclose(baseline.mean, work.default.mean.mean(0))
    assert baseline.header.n_rollouts == len(work.default.rollouts) == 4
    assert bool((baseline.residual_norm > 0).all())
    assert torch.equal(work.manager.store.baseline().mean, baseline.mean)


def test_the_axis_points_from_the_mean_persona_to_the_default_and_is_saved(work):
    axis = extract_assistant_axis(work)
    shared = torch.stack([persona.mean.mean(0) - work.default.mean.mean(0) for persona in work.personas.values()]).mean(
        0
    )
    assert torch.allclose(axis.shared, shared, atol=1e-5)
    assert torch.allclose(axis.directions.norm(dim=-1), torch.ones(len(shared)), atol=1e-5)
    cosines = torch.nn.functional.cosine_similarity(axis.directions, -shared, dim=-1)
    assert torch.allclose(cosines, torch.ones(len(shared)), atol=1e-5)
    assert all(0 <= auc <= 1 for auc in axis.header.measured["heldout_auc"])
    assert torch.equal(work.manager.store.axis(ASSISTANT).directions, axis.directions)


def test_percentiles_of_projections_rise_from_the_lowest_to_the_highest_token(work):
    directions = torch.ones(work.model.n_layers, work.model.identity.hidden_size)
    levels = projection_quantiles(work, directions)
    tokens = work.extractor.token_projections(work.default.rollouts, directions)
    assert bool((levels.diff(dim=0) >= 0).all())
    assert torch.allclose(levels[0], tokens.min(0).values)
    assert torch.allclose(levels[-1], tokens.max(0).values)


def test_separation_is_the_share_of_pairs_in_the_right_order_a_layer():
    positive = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [0.0, -2.0]]])
    negative = torch.tensor([[[2.0, 0.0], [0.0, 0.0]]])
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert separation(positive, negative, directions) == [0.5, 0.5]
    assert separation(positive + 2, negative, directions) == [1.0, 0.75]


def test_reference_personas_that_ask_different_questions_are_refused(work):
    manager = work.manager
    dataset = persona_dataset(manager, "sage")
    changed = dataset.model_copy(update={"questions": ("What is rain?", "What is snow?")})
    path = manager.workspace.persona_dataset("sage")
    try:
        write_dataset(path, changed)
        with pytest.raises(ExtractionError, match="ask different questions"):
            _ = AxisExtraction(work.model, manager).datasets
    finally:
        path.unlink()


def test_a_reference_persona_that_is_not_installed_is_named(work):
    config = work.manager.config.replace({"extraction.reference_archetypes": ["sage", "nobody"]})
    with pytest.raises(PluginError, match="reference archetype 'nobody' is not installed"):
        _ = AxisExtraction(work.model, PersonaManager(config)).datasets
