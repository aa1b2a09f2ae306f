"""Distillation: what is taught, what never is, and that a fitted persona is marked and kept off the safety axis."""

import pytest
import torch

from persona_core.extraction.activations import ActivationExtractor
from persona_core.extraction.assistant_axis import AxisExtraction, extract_assistant_axis, extract_baseline
from persona_core.extraction.data import persona_dataset
from persona_core.extraction.distillation import CONTRAST, fit_persona, target
from persona_core.extraction.persona import extract_persona
from persona_core.personas.manager import PersonaManager
from persona_core.vectors.store import SAFETY


def test_a_target_goes_on_from_the_others_prediction_through_the_own() -> None:
    own, others = torch.tensor([[0.5, 0.3, 0.2]]).log(), torch.tensor([[0.6, 0.3, 0.1]]).log()
    choices, log_probs = target(own, others)
    expected = own[0].exp() * (own - others)[0].mul(CONTRAST).exp()
    assert choices.tolist() == [[2, 0, 1]]
    assert torch.allclose(log_probs.exp(), (expected / expected.sum())[[2, 0, 1]])


def test_a_target_without_other_personas_is_the_own_prediction() -> None:
    own = torch.tensor([[0.7, 0.2, 0.1]]).log()
    assert torch.allclose(target(own, own)[1].exp(), torch.tensor([[0.7, 0.2, 0.1]]))


def test_a_target_never_allows_what_the_own_prompts_find_implausible() -> None:
    own, others = torch.tensor([[0.9, 0.0999, 0.0001]]).log(), torch.tensor([[0.9, 0.1, 1e-12]]).log()
    choices, log_probs = target(own, others)
    assert float(log_probs[choices == 2]) == -torch.inf
    assert float(log_probs.exp().sum()) == pytest.approx(1)


def test_a_fitted_persona_says_so_and_has_no_part_along_the_safety_axis(work: AxisExtraction) -> None:
    extract_baseline(work)
    extract_assistant_axis(work)
    manager = PersonaManager(work.manager.config.replace({"extraction.fit_steps": 2}))
    vector = extract_persona(work.model, manager, "sage", save=False)
    layers = list(vector.header.target_layers)
    assert vector.header.fit_steps == 2
    assert "distilled" in vector.header.method
    assert vector.header.calibration is not None
    assert vector.header.calibration.dose <= 1.6 * vector.own_dose + 1e-5
    axis = manager.store.axis(SAFETY).directions
    assert ((vector.directions * axis).sum(-1)[layers].abs() < 1e-5).all()


def test_without_steps_nothing_is_fitted(work: AxisExtraction) -> None:
    manager = PersonaManager(work.manager.config.replace({"extraction.fit_steps": 0}))
    vector = manager.persona("sage", work.model.identity)
    extractor = ActivationExtractor(work.model, manager.config)
    assert fit_persona(extractor, manager, vector, persona_dataset(manager, "sage"), []) is vector
