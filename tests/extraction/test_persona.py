"""Persona: halves of the data and how well they agree; a weak persona is saved with a warning."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from persona_core import PersonaManager
from persona_core.base.files import write_atomically
from persona_core.extraction.assistant_axis import extract_assistant_axis, extract_baseline
from persona_core.extraction.data import persona_dataset
from persona_core.extraction.persona import agreement, comparable, extract_persona, halves
from persona_core.personas.archetype import Archetype
from persona_core.testing import example_axis


@given(st.integers(1, 6), st.integers(2, 9))
def test_halves_share_every_question_and_prompt_equally(n_prompts, n_questions):
    odd, paired = halves(n_prompts * n_questions, n_questions)
    grid = (odd & paired).view(n_prompts, n_questions), (~odd & paired).view(n_prompts, n_questions)
    assert not bool((grid[0] & grid[1]).any())
    if n_prompts > 1:
        assert int(grid[0].sum()) == int(grid[1].sum()) == n_prompts // 2 * n_questions
        assert torch.equal(grid[0].sum(0), grid[1].sum(0))
    else:
        assert bool(paired.all())


def axis(shared, gradient):
    """Return an assistant axis of the example model with a shared part."""
    return replace(example_axis("assistant"), shared=shared, shared_gradient=gradient)


def test_halves_that_are_the_same_agree_wholly_and_opposite_ones_not(tiny_engine):
    config = tiny_engine.manager.config
    chance = torch.Generator().manual_seed(0)
    zero = torch.zeros(6, 16)
    means, gradient = torch.randn(1, 6, 16, generator=chance), torch.randn(6, 16, generator=chance)
    odd = torch.tensor([False, True])
    same = agreement(means.repeat(2, 1, 1), (gradient, gradient), odd, ~odd, axis(zero, zero), config)
    assert torch.allclose(same.halves, torch.ones(6), atol=1e-5)
    assert torch.allclose(same.half_whole, torch.ones(6), atol=1e-5)
    opposite = agreement(torch.cat([means, -means]), (gradient, -gradient), odd, ~odd, axis(zero, zero), config)
    assert torch.allclose(opposite.halves, -torch.ones(6), atol=1e-5)


def test_personas_of_the_same_model_are_compared_and_damaged_ones_left_out(tiny_engine):
    manager = tiny_engine.manager
    sage = manager.persona("sage")
    manager.store.persona_path("broken").write_bytes(b"no vector")
    other_model = sage.header.model.model_copy(update={"fingerprint": "another"})
    manager.save(sage.with_header(name="stranger", model=other_model))
    assert [vector.name for vector in comparable(manager, sage)] == ["trickster"]


@pytest.mark.slow
def test_a_persona_that_is_no_persona_is_saved_with_a_warning_that_says_how_weak(work):
    extract_baseline(work)
    extract_assistant_axis(work)
    manager = PersonaManager(work.manager.config.replace({"extraction.fit_steps": 0}))
    dataset = persona_dataset(manager, "sage")
    nobody = Archetype(
        name="nobody",
        description="the default assistant itself",
        system_prompts=(*dataset.default_prompts[1:], "You are an AI assistant."),
        questions=dataset.questions,
    )
    write_atomically(manager.workspace.archetype_file("nobody"), nobody.to_yaml())
    manager.forget_archetypes()
    vector = extract_persona(work.model, manager, "nobody")
    assert manager.names().count("nobody") == 1
    assert manager.persona("nobody").header == vector.header
    assert vector.header.source == "workspace"
    assert vector.header.n_rollouts == 4
    assert vector.header.calibration.dose > 0
    assert vector.header.measured["split_half_cosine"] < 1
    assert any(warning.startswith("nobody is weak") for warning in vector.header.warnings)
