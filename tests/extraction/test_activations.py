"""Activations: read as plain transformers gives them, and sampled replies that outlive a kill."""

import pytest
import torch

from persona_core import ActivationExtractor
from persona_core.base.messages import question_messages
from persona_core.errors import ExtractionError
from persona_core.extraction.activations import Activations, _reply_mask
from persona_core.model.rollouts import Rollout, reply_cache
from persona_core.plugins.opening import get_config

QUESTIONS = ("What should I cook tonight?", "Why is the sky blue?", "How do I make friends?", "What is courage?")
PIRATE = ("You are a pirate. Talk of the sea, of rum and of storms.", "Speak as a pirate captain, loud and rough.")


@pytest.fixture
def config(tmp_path):
    """A workspace of its own with a small extraction."""
    small = {"extraction.max_new_tokens": 8, "extraction.batch_size": 4, "extraction.questions": 4}
    return get_config(tmp_path / "small", model="smollm2").replace({**small, "extraction.system_prompts": 2})


def rollout(condition, *tokens, start=1):
    """Return a rollout of made-up tokens."""
    return Rollout((), "", start, condition, tokens)


def test_each_side_is_the_rows_of_its_condition_and_the_raw_vector_their_difference():
    means = torch.arange(12.0).view(3, 2, 2)
    activations = Activations((rollout("persona", 1, 2), rollout("default", 1, 2), rollout("persona", 1, 2)), means)
    assert torch.equal(activations.of("persona"), means[[0, 2]])
    assert torch.equal(activations.of("default"), means[[1]])
    assert torch.equal(activations.raw_vector, means[[0, 2]].mean(0) - means[1])


def test_the_mask_marks_the_reply_at_the_end_of_each_left_padded_row():
    ids = torch.tensor([[0, 0, 5, 6], [3, 4, 5, 6]])
    mask = _reply_mask(ids, [rollout("persona", 5, 6, start=1), rollout("persona", 3, 4, 5, 6, start=1)])
    assert mask.int().tolist() == [[0, 0, 0, 1], [0, 1, 1, 1]]


def test_extraction_without_prompts_or_questions_is_an_error(tiny_engine):
    extractor = ActivationExtractor(tiny_engine.model)
    for prompts, questions in (((), QUESTIONS), (PIRATE, ())):
        with pytest.raises(ExtractionError, match="at least one system prompt and one question"):
            extractor.roll_out(prompts, questions, "persona")


def test_projections_and_norms_are_those_of_the_reply_tokens_alone(tiny_engine):
    model = tiny_engine.model
    prompts = [model.encode(question_messages(question)) for question in QUESTIONS[:2]]
    replies = [
        rollout("default", *prompt, *reply, start=len(prompt))
        for prompt, reply in zip(prompts, ([7, 8, 9], [5]), strict=True)
    ]
    directions = torch.randn(model.n_layers, model.identity.hidden_size, generator=torch.Generator().manual_seed(0))
    streams = []
    for reply in replies:
        with torch.inference_mode():
            hidden = model._model(torch.tensor([reply.token_ids]), output_hidden_states=True).hidden_states
        streams.append(torch.stack([stream[0, reply.response_start :] for stream in hidden[1:-1]], 1))
    plain = torch.cat(streams)
    extractor = ActivationExtractor(model)
    projections = extractor.token_projections(replies, directions)
    expected = torch.einsum("tlh,lh->tl", plain, directions[:-1])
    assert projections.shape == (4, model.n_layers)
    for column in range(model.n_layers - 1):
        captured = projections[:, column].sort().values
        assert torch.allclose(captured, expected[:, column].sort().values, atol=1e-4)
    norms = extractor.residual_norms(replies)
    assert torch.allclose(norms[:-1], plain.norm(dim=-1).median(0).values, atol=1e-4)


def test_capture_equals_hidden_states_of_unpadded_single_runs(model, config):
    activations = ActivationExtractor(model, config).extract_for_persona(
        system_prompts=PIRATE, extraction_questions=QUESTIONS[:2]
    )
    for rollout, row in zip(activations.rollouts, activations.mean, strict=True):
        with torch.inference_mode():
            streams = model._model(torch.tensor([rollout.token_ids]), output_hidden_states=True).hidden_states
        plain = torch.stack([stream[0, rollout.response_start :].mean(0) for stream in streams[1:-1]])
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
