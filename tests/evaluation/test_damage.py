"""Damage: what a plan changes in neutral texts, and what it gains on texts in its own voice."""

from dataclasses import replace

import pytest

from persona_core.errors import DatasetError
from persona_core.evaluation.damage import as_tokens, neutral_cost, neutral_costs, voice_gains
from persona_core.steering.plan import UNSTEERED, AddDirection, SteeringPlan


def test_a_plan_that_does_nothing_costs_nothing(evaluation):
    cost = neutral_cost(evaluation, UNSTEERED)
    assert cost.kl == pytest.approx(0, abs=1e-5)
    assert cost.top1 == 1.0


def test_a_stronger_plan_costs_more(evaluation):
    (addition, *_) = evaluation.plan("sage").additions
    weak, strong = (
        neutral_cost(evaluation, SteeringPlan((AddDirection(addition.layer, factor * addition.direction),)))
        for factor in (1.0, 4.0)
    )
    assert 0 < weak.kl < strong.kl


def test_every_persona_has_a_cost_of_its_own(evaluation):
    costs = neutral_costs(evaluation)
    assert list(costs) == ["sage", "trickster"]
    assert costs["sage"] == neutral_cost(evaluation, evaluation.plan("sage"))


def test_the_gain_on_the_own_voice_is_less_that_on_the_others(evaluation):
    gains = voice_gains(evaluation)
    swapped = {"sage": "trickster", "trickster": "sage"}
    voices = evaluation.prompts.held_out.voices
    other_way = evaluation.prompts.held_out.model_copy(
        update={"voices": {name: voices[other] for name, other in swapped.items()}}
    )
    prompts = evaluation.prompts.model_copy(update={"held_out": other_way})
    turned = voice_gains(replace(evaluation, prompts=prompts))
    assert {name: -gain for name, gain in turned.items()} == pytest.approx(gains, abs=2e-4)


def test_a_text_of_several_lines_becomes_the_tokens_of_one(evaluation):
    assert as_tokens(evaluation, "one\n  two ") == as_tokens(evaluation, "one two")


def test_a_prompt_set_without_neutral_texts_is_an_error_that_says_what_to_add(evaluation):
    without = replace(evaluation, prompts=evaluation.prompts.model_copy(update={"neutral": ()}))
    with pytest.raises(DatasetError, match="has no neutral texts; add `--prompts core`"):
        neutral_costs(without)
