"""Fitting: a displacement learns to predict its lessons, at its layers alone and never along what it is kept off."""

import pytest
import torch

from persona_core import SteeringEngine
from persona_core.model.fitting import DisplacementFit, Lesson
from persona_core.model.scoring import prediction_log_probs
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.plan import AddDirection, SteeringPlan
from persona_core.testing.tiny_model import HIDDEN, LAYERS

STEERED = (2, 3)
PROMPT, REPLIES = (7, 8, 9), ((20, 21, 22, 23), (30, 31))


@pytest.fixture
def model(tiny_engine: SteeringEngine) -> ModelWrapper:
    """A model of random weights."""
    return tiny_engine.model


@pytest.fixture
def lessons() -> list[Lesson]:
    """Two replies at each of whose tokens 40 or 41 shall follow."""
    return [
        Lesson(PROMPT, reply, torch.tensor([[40, 41]] * len(reply)), torch.tensor([[0.75, 0.25]] * len(reply)).log())
        for reply in REPLIES
    ]


def fit(model: ModelWrapper, lessons: list[Lesson], steps: int, away: torch.Tensor | None = None) -> torch.Tensor:
    """Return the addition after some steps on all lessons."""
    return DisplacementFit(model, STEERED, torch.ones(LAYERS), away).run([lessons] * steps)


def loss(model: ModelWrapper, lessons: list[Lesson], addition: torch.Tensor) -> float:
    """Return the KL per token from the lessons to the model with the addition."""
    plan = SteeringPlan(tuple(AddDirection(layer, addition[layer]) for layer in STEERED))
    predicted = prediction_log_probs(model, [PROMPT] * len(lessons), [lesson.reply for lesson in lessons], plan)
    total = sum(float(lesson.loss(rows)) for lesson, rows in zip(lessons, predicted, strict=True))
    return total / sum(len(lesson.reply) for lesson in lessons)


def test_more_steps_bring_the_prediction_nearer_to_the_lessons(model: ModelWrapper, lessons: list[Lesson]) -> None:
    losses = [loss(model, lessons, fit(model, lessons, steps)) for steps in (1, 10, 40)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.1


def test_only_its_layers_get_an_addition(model: ModelWrapper, lessons: list[Lesson]) -> None:
    lengths = fit(model, lessons, 3).norm(dim=-1)
    assert [layer for layer in range(LAYERS) if lengths[layer] > 0] == list(STEERED)


def test_an_addition_has_no_part_along_what_it_is_kept_off(model: ModelWrapper, lessons: list[Lesson]) -> None:
    away = torch.nn.functional.normalize(
        torch.randn(LAYERS, HIDDEN, generator=torch.Generator().manual_seed(1)), dim=-1
    )
    free, kept_off = fit(model, lessons, 5), fit(model, lessons, 5, away)
    assert ((free * away).sum(-1).abs()[list(STEERED)] > 1e-3).all()
    assert ((kept_off * away).sum(-1).abs() < 1e-5).all()


def test_a_choice_that_the_target_rules_out_costs_nothing() -> None:
    target = torch.tensor([[0.0, -torch.inf]])
    lesson = Lesson(PROMPT, (20,), torch.tensor([[0, 1]]), target)
    predicted = torch.log_softmax(torch.tensor([[1.0, 2.0, 3.0]]), -1)
    assert float(lesson.loss(predicted)) == pytest.approx(-float(predicted[0, 0]))


def test_a_fit_leaves_the_model_as_it_was(model: ModelWrapper, lessons: list[Lesson]) -> None:
    before = next(iter(prediction_log_probs(model, [PROMPT], [REPLIES[0]])))
    fit(model, lessons, 2)
    assert torch.equal(next(iter(prediction_log_probs(model, [PROMPT], [REPLIES[0]]))), before)
    assert not any(parameter.requires_grad for parameter in model._model.parameters())
