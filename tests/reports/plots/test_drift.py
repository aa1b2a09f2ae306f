"""Drift: what the receipts say, over the band of the layer that they read."""

import numpy as np
import pytest
from pictures import both_themes, words

from persona_core.errors import PlotError
from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots import drift
from persona_core.reports.plots.conversation import PlottedReceipt
from persona_core.reports.plots.theme import LIGHT, Theme


def receipt(projection: float | None, lowest: float | None = None, **steering: object) -> PlottedReceipt:
    """Return a receipt as it is read from a saved conversation."""
    floor = None if lowest is None else {"layers": [15], "hits": 2, "lowest_before": lowest, "lowest_after": 0.01}
    return PlottedReceipt.model_validate({"assistant_projection": projection, "floor": floor, **steering})


@both_themes
def test_drift_draws_what_the_receipts_say(manager: PersonaManager, theme: Theme) -> None:
    receipts = [receipt(24.0), receipt(15.0, -4.5, personas={"sage": 1.0}, strength=1.0), receipt(None, -3.0)]
    figure = drift.draw(receipts, drift.read_band(manager), theme, "talk.jsonl")
    above, below = figure.axes
    (reply,) = [line for line in above.lines if line.get_label() == "reply"]
    assert list(np.asarray(reply.get_ydata()))[:2] == [24.0, 15.0]
    (before,) = [line for line in below.lines if line.get_label() == "before the floor"]
    assert list(np.asarray(before.get_ydata()))[1:] == [-4.5, -3.0]
    assert {"sage at 1", "unsteered", "turn"} <= set(words(figure))


def test_the_band_is_that_of_the_layer_that_receipts_read(manager: PersonaManager) -> None:
    band = drift.read_band(manager)
    axis = manager.store.axis("assistant_axis")
    assert band.layer == 15
    for level, value in band.percentiles.items():
        assert value == pytest.approx(float(axis.percentile(level)[15]), abs=1e-4)


def test_drift_without_a_floor_is_one_panel(manager: PersonaManager) -> None:
    assert len(drift.draw([receipt(3.0), receipt(4.0)], drift.read_band(manager), LIGHT).axes) == 1


def test_drift_without_a_projection_says_so(manager: PersonaManager) -> None:
    with pytest.raises(PlotError, match="no turn of the conversation holds an `assistant_projection`"):
        drift.draw([receipt(None)], drift.read_band(manager), LIGHT)
