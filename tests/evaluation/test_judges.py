"""Judges: the default one against log-probabilities that plain PyTorch gives."""

import pytest
import torch

from persona_core.base.messages import question_messages
from persona_core.evaluation.judges import LogProbJudge, judging_prompts, plain_log_probs
from persona_core.personas.archetype import Archetype
from persona_core.testing import example_replies

PERSONAS = [
    Archetype(name="a", description="a", system_prompts=("You are a pirate.", "Speak as a pirate.", "Arr.")),
    Archetype(name="b", description="b", system_prompts=("You are a monk.",)),
]


def mean_log_prob(model, reply, system=""):
    """Return the reply's mean log-probability per token from one plain forward."""
    prompt = model.encode(question_messages(reply.question, system))
    with torch.inference_mode():
        logits = model._model(torch.tensor([[*prompt, *reply.tokens]])).logits[0]
    chosen = torch.tensor(list(reply.tokens))
    return float(torch.log_softmax(logits[len(prompt) - 1 : -1].float(), -1).gather(-1, chosen[:, None]).mean())


def test_log_probabilities_are_those_of_one_plain_forward_a_reply(tiny_engine):
    replies = example_replies(tiny_engine.model)
    for reply, log_prob in zip(replies, plain_log_probs(tiny_engine.model, replies, "You are a pirate."), strict=True):
        assert float(log_prob) == pytest.approx(mean_log_prob(tiny_engine.model, reply, "You are a pirate."), abs=1e-4)


def test_a_score_is_the_rise_under_the_first_prompts_of_the_persona(tiny_engine):
    model, reply = tiny_engine.model, example_replies(tiny_engine.model)[0]
    scores = LogProbJudge(n_prompts=2).score([reply], PERSONAS, model)
    bare = mean_log_prob(model, reply)
    pirate = sum(mean_log_prob(model, reply, system) for system in PERSONAS[0].system_prompts[:2]) / 2
    monk = mean_log_prob(model, reply, "You are a monk.")
    assert scores[0].tolist() == pytest.approx([pirate - bare, monk - bare], abs=1e-4)


def test_progress_ends_with_every_prompt_done(tiny_engine):
    told = []
    LogProbJudge(2).score(example_replies(tiny_engine.model), PERSONAS, tiny_engine.model, lambda *at: told.append(at))
    assert told[0] == ("judging replies", 1, 4)
    assert told[-1] == ("judging replies", 4, 4)


def test_the_settings_that_change_a_score_are_in_the_judges_name_in_the_cache():
    assert repr(LogProbJudge(2)) != repr(LogProbJudge(3))


def test_a_persona_with_judge_prompts_is_judged_by_them_and_by_none_that_extraction_reads(tiny_engine):
    model, reply = tiny_engine.model, example_replies(tiny_engine.model)[0]
    own = ("Talk like a buccaneer.", "Yo ho ho.")
    persona = PERSONAS[0].model_copy(update={"judge_prompts": own})
    assert judging_prompts(persona, 2) == own
    assert judging_prompts(PERSONAS[0], 2) == PERSONAS[0].system_prompts[:2]
    (score,) = LogProbJudge().score([reply], [persona], model)[0].tolist()
    rises = [mean_log_prob(model, reply, system) - mean_log_prob(model, reply) for system in own]
    assert score == pytest.approx(sum(rises) / 2, abs=1e-4)
