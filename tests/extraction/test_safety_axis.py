"""Safety axis: how its directions are put together, and which axes are refused."""

from types import SimpleNamespace

import pytest
import torch

from persona_core.errors import AxisTooWeak
from persona_core.extraction.safety_axis import HARMLESS_WEIGHT, Ingredients, check_axis


@pytest.mark.parametrize(("heldout", "persona", "message"), [(0.7, 0.5, "does not separate"), (1.0, 0.8, "flatten")])
def test_an_axis_that_separates_the_wrong_things_is_refused(heldout, persona, message):
    model = SimpleNamespace(capping_layers=(1, 2))
    check_axis(model, [0.0, 1.0, 0.9], [0.9, 0.5, 0.6])
    with pytest.raises(AxisTooWeak, match=message):
        check_axis(model, [1.0, 1.0, heldout], [0.5, 0.5, persona])


def test_the_axis_weighs_directions_and_not_their_lengths():
    reading, writing, harmless = torch.eye(4)[:3].unsqueeze(1)
    direction = Ingredients(reading, 7 * reading, 0.1 * writing, 3 * harmless).direction()
    expected = torch.tensor([1.0, 1.0, HARMLESS_WEIGHT, 0.0])
    assert torch.allclose(direction[0], expected / expected.norm(), atol=1e-6)
