"""First tokens: the percentile is of tokens that the unsteered model really samples."""

import pytest
import torch

from persona_core.base.messages import question_messages
from persona_core.evaluation.first_tokens import FirstTokens, first_tokens
from persona_core.model.decoding import Sampling
from persona_core.model.scoring import next_logits

QUESTIONS = ("What is fire?", "What is rain?", "What is bread?")


def log_probs(model):
    """Return the log-probabilities of every first token, one row a question."""
    prompts = [model.encode(question_messages(question)) for question in QUESTIONS]
    return torch.log_softmax(next_logits(model, prompts), -1)


def test_a_first_token_below_the_percentile_is_a_fault_and_the_token_at_it_is_none() -> None:
    first = FirstTokens(log_prob=-5.0, n=300)
    assert first.faults(torch.tensor([[-4.0, -5.0], [-5.0001, -5.1]])).tolist() == [[0, 0], [0, 1]]


def test_greedy_replies_begin_with_the_likeliest_tokens_and_have_no_faults(tiny_engine) -> None:
    likeliest = log_probs(tiny_engine.model).max(-1).values
    first = first_tokens(tiny_engine.model, QUESTIONS, Sampling(4, 0.0), 0)
    assert first.n == 300
    assert first.log_prob == pytest.approx(float(likeliest.min()), abs=1e-3)
    assert not bool(first.faults(likeliest).any())


def test_about_one_sampled_first_token_in_a_hundred_lies_below(tiny_engine) -> None:
    first = first_tokens(tiny_engine.model, QUESTIONS, Sampling(4, 1.0, 1.0), 0)
    logs = log_probs(tiny_engine.model)
    below = (logs.exp() * first.faults(logs)).sum(-1).mean()
    assert 0.001 < float(below) < 0.03
    assert first_tokens(tiny_engine.model, QUESTIONS, Sampling(4, 1.0, 1.0), 0) == first
