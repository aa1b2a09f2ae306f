"""Log-probabilities: those of one plain forward a reply, and read once."""

import pytest
import torch

from persona_core.base.messages import question_messages
from persona_core.evaluation.log_probs import cached_log_probs, log_prob_cache
from persona_core.testing import example_replies


def test_every_token_has_the_log_probability_of_one_plain_forward(tiny_engine):
    model = tiny_engine.model
    replies = example_replies(model)
    for reply, log_probs in zip(replies, cached_log_probs(model, replies, log_prob_cache()), strict=True):
        prompt = model.encode(question_messages(reply.question))
        with torch.inference_mode():
            logits = model._model(torch.tensor([[*prompt, *reply.tokens]])).logits[0]
        chosen = torch.tensor(list(reply.tokens))[:, None]
        expected = torch.log_softmax(logits[len(prompt) - 1 : -1].float(), -1).gather(-1, chosen)[:, 0]
        assert log_probs.tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_what_is_kept_is_not_read_again(tiny_engine, tmp_path):
    path, replies = tmp_path / "log_probs.jsonl", example_replies(tiny_engine.model)
    first = cached_log_probs(tiny_engine.model, [*replies, replies[0]], log_prob_cache(path))
    kept = path.read_text()
    assert len(kept.splitlines()) == len(replies)
    again = cached_log_probs(tiny_engine.model, replies, log_prob_cache(path))
    assert [row.tolist() for row in again] == [row.tolist() for row in first[: len(replies)]]
    assert path.read_text() == kept
