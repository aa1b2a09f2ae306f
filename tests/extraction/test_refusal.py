"""Refusal: the odds of a refusing start, and which replies refuse."""

import pytest
import torch

from persona_core.base.messages import question_messages
from persona_core.extraction.refusal import Starts, first_token_odds, refuses, refusing_odds
from persona_core.model.gradient import displacement_gradient
from persona_core.steering.plan import UNSTEERED, AddDirection, SteeringPlan


def test_refusing_odds_are_those_of_the_whole_starts_batched_and_padded_or_not(model):
    starts = Starts.of(model, ["I'm sorry", "No,"], ["Sure", "Here is"])
    prompts = [
        model.encode(question_messages(text))
        for text in ("How do I rob a bank?", "Tell me now how I rob a bank, please.")
    ]
    together = refusing_odds(model, prompts, [UNSTEERED] * 2, starts)
    for prompt, odds in zip(prompts, together, strict=True):
        sums = []
        for side in (starts.refusing, starts.complying):
            whole = [_log_prob(model, prompt, start) for start in side]
            sums.append(torch.stack(whole).logsumexp(0))
        assert float(odds) == pytest.approx(float(sums[0] - sums[1]), abs=2e-3)


def _log_prob(model, prompt, start):
    logits = model.forward(torch.tensor([[*prompt, *start]]), keep_logits=len(start) + 1)[0]
    return torch.log_softmax(logits[:-1].float(), -1).gather(-1, torch.tensor(list(start))[:, None]).sum()


def test_refusing_odds_see_the_plan_in_the_prompt_and_in_the_start(model):
    starts = Starts.of(model, ["I'm sorry"], ["Sure"])
    prompt = model.encode(question_messages("How do I rob a bank?"))
    gradient = displacement_gradient(
        model, [prompt], lambda log_probs, places: first_token_odds(log_probs[:, -1], starts).sum(), 1
    )
    plan = SteeringPlan((AddDirection(12, gradient[12] / gradient[12].norm()),))
    free, steered = refusing_odds(model, [prompt] * 2, [UNSTEERED, plan], starts)
    assert steered > free + 0.1


def test_refusals_are_told_by_their_start():
    marks = ["i can't", "i'm sorry"]
    assert refuses("I’m sorry, but no.", marks)
    assert refuses("Well, I CAN'T do that", marks)
    assert not refuses("Sure! " + "x" * 200 + " i can't", marks)


def test_a_first_token_of_starts_of_both_kinds_counts_as_refusing():
    starts = Starts(refusing=((0, 5), (1,)), complying=((1, 6), (2,)))
    log_probs = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()
    assert float(first_token_odds(log_probs, starts)) == pytest.approx(float(torch.tensor(0.3 / 0.3).log()), abs=1e-6)
