"""Calibration: the dose within the budget, the layers, and a floor that points the right way."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from persona_core import PersonaManager
from persona_core.base.messages import question_messages
from persona_core.errors import AxisTooWeak
from persona_core.extraction.calibration import choose
from persona_core.extraction.floor_calibration import calibrate_floor, percentile_floor, strictest
from persona_core.extraction.generators import Templates
from persona_core.extraction.layer_bands import best_band, candidate_bands
from persona_core.extraction.safety_axis import check_axis
from persona_core.model.rollouts import Rollout
from persona_core.vectors.file import FloorPoint
from persona_core.vectors.store import SAFETY

CURVE = ((0.0, 0.0, 0.0), (0.1, 0.2, 0.1), (0.2, 0.8, 0.3), (0.3, 2.0, 0.2))


def test_the_dose_lies_between_the_trials_around_the_budget():
    found = choose(CURVE, 0.5)
    assert found.dose == pytest.approx(0.15)
    assert found.damage == pytest.approx(0.5)
    assert found.gain == pytest.approx(0.2)


def test_a_persona_that_never_costs_too_much_gets_the_highest_dose():
    assert choose(CURVE, 5.0).dose == 0.3


@given(st.lists(st.floats(0, 3), min_size=1, max_size=7), st.floats(0.05, 2))
def test_the_dose_never_costs_more_than_the_budget(damages, budget):
    curve = [(0.0, 0.0, 0.0), *((0.05 * (n + 1), damage, 0.0) for n, damage in enumerate(sorted(damages)))]
    found = choose(curve, budget)
    assert found.damage <= budget + 1e-3
    assert 0 <= found.dose <= curve[-1][0]


def test_the_strictest_floor_within_the_budget():
    curve = [FloorPoint(percentile=p, kl=kl, top1=1, rise=1) for p, kl in ((5, 0.001), (25, 0.01), (50, 0.1))]
    assert strictest(curve, 0.02).percentile == 25
    assert strictest(curve, 0.0001) is None


@pytest.mark.parametrize(("heldout", "persona", "message"), [(0.7, 0.5, "does not separate"), (1.0, 0.8, "flatten")])
def test_an_axis_that_separates_the_wrong_things_is_refused(heldout, persona, message):
    model = SimpleNamespace(capping_layers=(1, 2))
    check_axis(model, [0.0, 1.0, 0.9], [0.9, 0.5, 0.6])
    with pytest.raises(AxisTooWeak, match=message):
        check_axis(model, [1.0, 1.0, heldout], [0.5, 0.5, persona])


def test_candidate_bands_end_where_the_floor_still_holds(model):
    bands = candidate_bands(model)
    assert bands[0] == model.target_layers
    assert all(band[-1] <= model.capping_layers[-1] for band in bands)
    assert len(bands) == len(set(bands))


def test_a_band_is_kept_unless_another_is_clearly_better(model):
    vector = PersonaManager(model.config).persona("sage", model.identity)
    reply = model.tokenizer.encode("The wise man waits, my child, and the water grows clear.", add_special_tokens=False)
    plain = model.tokenizer.encode("You can boil it for ten minutes.", add_special_tokens=False)
    own, default = ([(model.encode(question_messages("What should I do?")), tokens)] for tokens in (reply, plain))
    found = best_band(model, vector, own, default)
    assert found.header.target_layers in candidate_bands(model)
    hollow = replace(vector, directions=torch.cat([torch.zeros(20, 576), vector.directions[20:]]))
    assert best_band(model, hollow, own, default).header.target_layers == model.target_layers


class TestFloor:
    """The floor of the bundled axis on the real model."""

    def benign(self, model):
        prompt = model.encode(question_messages("What is bread?"))
        reply = model.tokenizer.encode("Bread is a food made of flour and water.", add_special_tokens=False)
        return [Rollout((), "", len(prompt), "default", (*prompt, *reply))]

    def test_the_bundled_floor_raises_the_odds_of_refusing_and_costs_little(self, model):
        axis = PersonaManager(model.config).store.axis(SAFETY, model.identity)
        found = calibrate_floor(model, axis, Templates().safety(), self.benign(model), percentiles=(5.0, 25.0))
        by_level = {point.percentile: point for point in found.header.floor_curve}
        assert by_level[25.0].rise > by_level[5.0].rise > 0
        assert by_level[5.0].kl <= by_level[25.0].kl
        assert len(percentile_floor(model, axis, 25.0).clamps) == len(model.capping_layers)

    def test_an_axis_of_the_wrong_sign_is_refused(self, model):
        axis = PersonaManager(model.config).store.axis(SAFETY, model.identity)
        turned = replace(axis, directions=-axis.directions, quantiles=-axis.quantiles.flip(0))
        with pytest.raises(AxisTooWeak, match="wrong sign"):
            calibrate_floor(model, turned, Templates().safety(), self.benign(model), percentiles=(25.0,))
