"""Layer bands: which layers are candidates, and when another band than the configured one is taken."""

from dataclasses import replace

import torch

from persona_core import PersonaManager
from persona_core.base.messages import question_messages
from persona_core.extraction.layer_bands import best_band, candidate_bands, dose_plan
from persona_core.testing import example_vector


def test_a_plan_of_one_dose_adds_that_share_of_the_stream_over_the_target_layers():
    vector = example_vector("sage")
    plan = dose_plan(vector, 0.3)
    assert [addition.layer for addition in plan.additions] == list(vector.header.target_layers) == [2, 3]
    assert [round(float(addition.direction.norm()), 4) for addition in plan.additions] == [1.5, 1.5]
    assert plan.clamps == ()


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
    assert best_band(model, vector, own, default).header.target_layers in candidate_bands(model)
    hollow = replace(vector, directions=torch.cat([torch.zeros(20, 576), vector.directions[20:]]))
    assert best_band(model, hollow, own, default).header.target_layers == model.target_layers
