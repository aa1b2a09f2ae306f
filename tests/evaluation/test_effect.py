"""Effect: groups of conditions, controls of the same length, and figures of real replies."""

from dataclasses import replace

import pytest
import torch

from persona_core.evaluation import statistics
from persona_core.evaluation.effect import (
    BOTH,
    PROMPTS,
    RANDOM,
    VECTORS,
    conditions,
    damage,
    measure_effect,
    randomised,
)
from persona_core.evaluation.judges import plain_log_probs
from persona_core.testing import example_replies


@pytest.fixture(scope="module")
def effect(evaluation):
    """The effect of the small evaluation."""
    return measure_effect(evaluation)


def test_a_random_control_has_the_length_and_layers_of_the_vector(evaluation):
    plan = evaluation.plan("sage")
    control = randomised(plan, 1)
    assert [addition.layer for addition in control.additions] == [addition.layer for addition in plan.additions]
    for one, other in zip(control.additions, plan.additions, strict=True):
        length = float(other.direction.norm())
        assert float(one.direction.norm()) == pytest.approx(length, rel=1e-4)
        assert abs(float(one.direction @ other.direction)) < 0.7 * length**2
    assert control.clamps == plan.clamps
    assert randomised(replace(plan, guidance=3.0), 1).guidance == 3.0
    assert not torch.equal(randomised(plan, 2).additions[0].direction, control.additions[0].direction)


def test_each_group_has_a_condition_a_persona(evaluation):
    groups = conditions(evaluation)
    assert list(groups) == [VECTORS, PROMPTS, BOTH, RANDOM]
    assert [condition.plan.changes for condition in groups[PROMPTS]] == [False, False]
    assert groups[PROMPTS][1].systems == evaluation.archetypes[1].system_prompts
    assert all(condition.plan.changes for group in (VECTORS, BOTH, RANDOM) for condition in groups[group])
    assert [(one.plan, one.systems) for one in groups[BOTH]] == [
        (vector.plan, prompts.systems) for vector, prompts in zip(groups[VECTORS], groups[PROMPTS], strict=True)
    ]


def test_damage_is_the_loss_of_likelihood_against_the_unsteered_reply(evaluation):
    replies = example_replies(evaluation.model)
    log_probs = plain_log_probs(evaluation.model, replies)
    cost = damage(evaluation, [replies, replies[::-1]], replies)
    assert torch.allclose(cost[0], torch.zeros(3), atol=1e-5)
    assert torch.allclose(cost[1], log_probs - log_probs.flip(0), atol=1e-5)


@pytest.mark.slow
def test_every_figure_of_a_group_follows_from_the_scores_of_its_replies(evaluation, effect):
    rows = evaluation.ask(conditions(evaluation)[VECTORS], "again")
    scores, unsteered = evaluation.judged(rows), evaluation.judged([evaluation.unsteered()])
    group = effect.groups[VECTORS]
    assert torch.allclose(torch.tensor(group.matrix), scores.mean(1), atol=1e-4)
    assert group.identification.value == pytest.approx(statistics.identification(scores), abs=1e-4)
    for index, name in enumerate(evaluation.personas):
        gain = (scores - unsteered)[index, :, index].mean()
        assert group.own_gain[name].value == pytest.approx(float(gain), abs=1e-4)
        assert group.own_gain[name].low <= group.own_gain[name].value <= group.own_gain[name].high
    assert set(effect.samples) == {"unsteered", *(f"{group}: {n}" for group in effect.groups for n in effect.personas)}


@pytest.mark.slow
def test_the_vectors_are_compared_with_the_prompts_statistic_by_statistic(effect):
    for statistic, interval in effect.ahead_of_prompts.items():
        vectors, prompts = (getattr(effect.groups[group], statistic).value for group in (VECTORS, PROMPTS))
        assert interval.value == pytest.approx(vectors - prompts, abs=2e-4)
