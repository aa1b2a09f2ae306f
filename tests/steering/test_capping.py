"""PercentileFloor: one floor a capped layer, at the percentile of the context."""

from dataclasses import replace

import torch

from persona_core.steering.capping import PercentileFloor
from persona_core.testing.examples import example_context


def test_every_capped_layer_gets_the_percentile_as_its_floor_and_no_upper_end() -> None:
    context = example_context()
    axis = context.axes["safety"]
    clamps = PercentileFloor().clamps(context)
    assert tuple(clamp.layer for clamp in clamps) == context.layers
    for clamp in clamps:
        assert clamp.low == float(axis.percentile(context.percentile)[clamp.layer])
        assert clamp.high == float("inf")
        assert torch.equal(clamp.unit_direction, axis.directions[clamp.layer])
        assert not clamp.audit


def test_a_higher_percentile_is_a_stricter_floor() -> None:
    loose, strict = (PercentileFloor().clamps(replace(example_context(), percentile=level)) for level in (1.0, 50.0))
    assert all(low.low < high.low for low, high in zip(loose, strict, strict=True))
