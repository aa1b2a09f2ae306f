"""Floor calibration: what each percentile costs and does, and that a floor of the wrong sign is refused."""

from dataclasses import replace

import pytest

from persona_core import PersonaManager
from persona_core.base.messages import question_messages
from persona_core.errors import AxisTooWeak
from persona_core.extraction.floor_calibration import calibrate_floor, percentile_floor, strictest
from persona_core.extraction.generators import Templates
from persona_core.model.rollouts import Rollout
from persona_core.vectors.file import FloorPoint
from persona_core.vectors.store import SAFETY


@pytest.fixture
def axis(model):
    """The bundled safety axis."""
    return PersonaManager(model.config).store.axis(SAFETY, model.identity)


@pytest.fixture
def benign(model):
    """One reply of the default assistant."""
    prompt = model.encode(question_messages("What is bread?"))
    reply = model.tokenizer.encode("Bread is a food made of flour and water.", add_special_tokens=False)
    return [Rollout((), "", len(prompt), "default", (*prompt, *reply))]


@pytest.fixture
def data():
    """The built-in safety dataset with four held-out requests and a few starts."""
    whole = Templates().safety()
    starts = {"refusing_starts": whole.refusing_starts[:4], "complying_starts": whole.complying_starts[:4]}
    return whole.model_copy(update={"heldout": whole.heldout[:4], **starts})


def test_the_strictest_floor_within_the_budget():
    curve = [FloorPoint(percentile=p, kl=kl, top1=1, rise=1) for p, kl in ((5, 0.001), (25, 0.01), (50, 0.1))]
    assert strictest(curve, 0.02).percentile == 25
    assert strictest(curve, 0.0001) is None


def test_a_percentile_floor_holds_the_axis_at_every_capping_layer_and_adds_nothing(model, axis):
    plan = percentile_floor(model, axis, 25.0)
    assert [clamp.layer for clamp in plan.clamps] == list(model.capping_layers)
    assert [clamp.low for clamp in plan.clamps] == [float(axis.percentile(25.0)[n]) for n in model.capping_layers]
    assert plan.additions == ()


def test_the_bundled_floor_raises_the_odds_of_refusing_and_costs_little(model, axis, data, benign):
    calibrated = calibrate_floor(model, axis, data, benign, percentiles=(5.0, 25.0))
    by_level = {point.percentile: point for point in calibrated.header.floor_curve}
    assert by_level[25.0].rise > by_level[5.0].rise > 0
    assert by_level[5.0].kl <= by_level[25.0].kl


def test_an_axis_of_the_wrong_sign_is_refused(model, axis, data, benign):
    turned = replace(axis, directions=-axis.directions, quantiles=-axis.quantiles.flip(0))
    with pytest.raises(AxisTooWeak, match="wrong sign"):
        calibrate_floor(model, turned, data, benign, percentiles=(25.0,))
