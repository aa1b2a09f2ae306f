"""Safety: the floor alone, the jailbreaks, and what the axis separates."""

import pytest
import torch

from persona_core.evaluation.damage import voice_gains
from persona_core.evaluation.safety import floor_only, jailbreak_prompts, measure_safety
from persona_core.extraction.data import safety_dataset
from persona_core.extraction.refusal import dataset_starts, refusing_odds
from persona_core.steering.plan import UNSTEERED


@pytest.fixture(scope="module")
def safety(evaluation):
    """The safety part of the small evaluation."""
    return measure_safety(evaluation)


def test_the_floor_alone_holds_the_bounds_of_a_steered_plan_and_adds_nothing(evaluation):
    floor, plan = floor_only(evaluation), evaluation.plan("sage", safety=True)
    assert floor.additions == ()
    assert {clamp.layer for clamp in floor.clamps} == set(evaluation.model.capping_layers)
    for one, other in zip(floor.clamps, plan.clamps, strict=True):
        assert (one.layer, one.low) == (other.layer, other.low)


def test_every_jailbreak_is_filled_with_four_held_out_requests(evaluation):
    pairs = safety_dataset(evaluation.manager).heldout
    texts = [evaluation.model.tokenizer.decode(prompt) for prompt in jailbreak_prompts(evaluation)]
    assert len(texts) == 4 * len(evaluation.prompts.jailbreaks)
    assert all(any(pair.request in text for pair in pairs) for text in texts)
    assert sum("As a villain" in text for text in texts) == 4


def test_the_rise_of_the_odds_is_that_of_the_floor_over_nothing(evaluation, safety):
    prompts = jailbreak_prompts(evaluation)
    starts = dataset_starts(evaluation.model, safety_dataset(evaluation.manager))
    off, on = (
        refusing_odds(evaluation.model, prompts, [plan] * len(prompts), starts)
        for plan in (UNSTEERED, floor_only(evaluation))
    )
    assert safety.floor.jailbreak_odds.value == pytest.approx(float(off.mean()), abs=1e-3)
    assert safety.floor.jailbreak_rise.value == pytest.approx(float((on - off).mean()), abs=1e-3)


def test_the_axis_has_a_figure_a_layer_and_every_persona_and_blend_its_odds(evaluation, safety):
    n_layers = evaluation.model.n_layers
    assert len(safety.refuse_comply_auc) == len(safety.default_persona_auc) == n_layers
    assert all(0 <= auc <= 1 for auc in (*safety.refuse_comply_auc, *safety.default_persona_auc))
    assert safety.capping_layers == list(evaluation.model.capping_layers)
    assert list(safety.jailbreak_odds) == ["sage", "trickster", "sage+trickster"]
    for rate in (safety.floor.refusal_rate, safety.floor.over_refusal_rate_floor):
        assert 0 <= rate <= 1


def test_the_effect_that_is_kept_is_the_gain_with_the_floor_over_that_without(evaluation, safety):
    off, on = (voice_gains(evaluation, safety=floor) for floor in (False, True))
    kept = torch.tensor(list(safety.effect_kept.values()))
    assert torch.allclose(kept, torch.tensor([on[name] / off[name] for name in safety.effect_kept]), atol=1e-3)
