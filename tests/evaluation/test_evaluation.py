"""Evaluation: what it asks, with which plans, and what its digest depends on."""

from dataclasses import dataclass, replace

import pytest
import torch

from persona_core.evaluation.answers import ReplyCondition
from persona_core.evaluation.judges import LogProbJudge
from persona_core.extraction.data import persona_dataset
from persona_core.testing import example_replies


@dataclass(frozen=True)
class OneNumber:
    """A judge that gives every reply one score."""

    value: float
    name: str = "one-number"
    unit: str = "points"

    def score(self, replies, personas, model, progress=None):
        return torch.full((len(replies), len(personas)), self.value)


def test_the_questions_are_those_that_extraction_does_not_ask(evaluation):
    used = {
        question for name in evaluation.personas for question in persona_dataset(evaluation.manager, name).questions
    }
    assert len(evaluation.questions) == 3
    assert not used & set(evaluation.questions)


def test_a_plan_is_that_of_generate_at_the_configured_strength(evaluation):
    plan = evaluation.plan("sage")
    default = evaluation.model.config.steering.default_strength
    assert [addition.layer for addition in plan.additions] == [2, 3]
    stronger = evaluation.plan({"sage": 1.0}, 2 * default)
    for one, other in zip(plan.additions, stronger.additions, strict=True):
        assert torch.allclose(2 * one.direction, other.direction, rtol=1e-4)
    assert plan.clamps
    assert not evaluation.plan("sage", safety=False).clamps


def test_every_condition_gets_a_row_of_replies_to_every_question(evaluation):
    rows = evaluation.ask([ReplyCondition("unsteered"), ReplyCondition("sage", evaluation.plan("sage"))], "replies")
    assert [[reply.question for reply in row] for row in rows] == [list(evaluation.questions)] * 2
    assert all(len(reply.tokens) == evaluation.size.tokens for row in rows for reply in row)
    assert [reply.tokens for reply in rows[0]] != [reply.tokens for reply in rows[1]]


def test_scores_come_by_row_question_and_persona(evaluation):
    rows = [example_replies(), example_replies()]
    scores = replace(evaluation, judge=OneNumber(0.5)).judged(rows)
    assert scores.shape == (2, 3, 2)
    assert bool((scores == 0.5).all())


def test_a_score_that_is_no_number_is_an_error_that_names_the_judge(evaluation):
    with pytest.raises(ValueError, match="judge 'one-number' returned a score that is no number"):
        replace(evaluation, judge=OneNumber(float("nan"))).judged([example_replies()])


def test_the_digest_depends_on_all_that_changes_a_figure(evaluation):
    changed = [
        evaluation,
        evaluation.smaller(2),
        replace(evaluation, seed=1),
        replace(evaluation, judge=LogProbJudge(n_prompts=1)),
        replace(evaluation, personas=("trickster", "sage")),
        replace(evaluation, prompts=evaluation.prompts.model_copy(update={"neutral": ("One text.",)})),
    ]
    assert len({each.digest() for each in changed}) == len(changed)
    assert replace(evaluation).digest() == evaluation.digest()


def test_a_smaller_evaluation_asks_the_first_questions_alone(evaluation):
    assert evaluation.smaller(2).questions == evaluation.questions[:2]
