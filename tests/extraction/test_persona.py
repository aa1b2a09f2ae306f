"""Extraction on the real model: capture against plain transformers, taking up a killed run, weak personas."""

import pytest
import torch

from persona_core import ActivationExtractor, PersonaManager
from persona_core.base.files import write_atomically
from persona_core.extraction.persona import extract_persona
from persona_core.model.rollouts import reply_cache
from persona_core.personas.archetype import Archetype
from persona_core.plugins.opening import get_config

QUESTIONS = ("What should I cook tonight?", "Why is the sky blue?", "How do I make friends?", "What is courage?")
PIRATE = ("You are a pirate. Talk of the sea, of rum and of storms.", "Speak as a pirate captain, loud and rough.")


@pytest.fixture
def config(tmp_path):
    """A workspace of its own with a small extraction."""
    small = {"extraction.max_new_tokens": 8, "extraction.batch_size": 4, "extraction.questions": 4}
    return get_config(tmp_path / "small", model="smollm2").replace({**small, "extraction.system_prompts": 2})


def test_capture_equals_hidden_states_of_unpadded_single_runs(model, config):
    activations = ActivationExtractor(model, config).extract_for_persona(
        system_prompts=PIRATE, extraction_questions=QUESTIONS[:2]
    )
    for rollout, row in zip(activations.rollouts, activations.mean, strict=True):
        with torch.inference_mode():
            found = model._model(torch.tensor([rollout.token_ids]), output_hidden_states=True).hidden_states
        plain = torch.stack([stream[0, rollout.response_start :].mean(0) for stream in found[1:-1]])
        assert torch.nn.functional.cosine_similarity(plain, row[: len(plain)], dim=-1).min() > 0.999999


def test_a_killed_run_goes_on_where_it_was_and_the_half_written_never_counts(model, config):
    seen = []
    first = ActivationExtractor(model, config)
    whole = first.roll_out(PIRATE, QUESTIONS, "persona")
    path = config.workspace.rollouts(model.identity.slug)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:5]) + "\n" + lines[5][:20])
    assert len(reply_cache(path).entries) == 5
    second = ActivationExtractor(model, config, progress=lambda stage, done, total: seen.append((done, total)))
    again = second.roll_out(PIRATE, QUESTIONS, "persona")
    assert seen[0] == (5, 8)
    assert seen[-1] == (8, 8)
    assert [rollout.messages for rollout in again] == [rollout.messages for rollout in whole]
    assert sum(a.token_ids == b.token_ids for a, b in zip(again, whole, strict=True)) >= 5


def test_a_persona_that_is_no_persona_is_saved_with_a_warning_that_says_how_weak(model, config):
    plain = Archetype(
        name="nobody",
        description="the default assistant itself",
        system_prompts=("You are a helpful assistant.", "You are an AI assistant."),
        questions=QUESTIONS,
    )
    write_atomically(config.workspace.archetypes / "nobody.yaml", plain.to_yaml())
    manager = PersonaManager(config)
    vector = extract_persona(model, manager, "nobody")
    assert manager.names().count("nobody") == 1
    assert vector.header.measured["split_half_cosine"] < 1
    assert vector.header.warnings
    assert "nobody" in vector.header.warnings[0]


def test_create_from_data_refuses_another_shape_and_keeps_what_it_is_given(model, config):
    from persona_core.errors import ExtractionError

    manager = PersonaManager(config)
    with pytest.raises(ExtractionError, match="30 layers of 576"):
        manager.create_from_data("wrong", torch.zeros(3, 4), "of another model")
    raw = torch.randn(30, 576, generator=torch.Generator().manual_seed(0))
    vector = manager.create_from_data("mine", raw, "a random direction")
    assert torch.equal(manager.persona("mine").raw, raw)
    safety = manager.store.axis("safety_axis").directions
    assert float((vector.directions * safety).sum(-1).abs().max()) < 1e-3
