"""`info` shows everything that is known of one persona."""

import json
from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]


BASE = ["creator", "explorer", "guardian", "sage", "trickster"]


def test_info_shows_layers_norms_cosines_and_calibration(run: Run) -> None:
    data = json.loads(run("info", "sage", "--json").stdout)
    assert data["cosines_with_axes"].keys() == {"safety_axis", "assistant_axis"}
    assert set(data["cosines_with_personas"]) == set(BASE) - {"sage"}
    assert len(data["norms"]) == len(data["target_layers"])
    text = run("info", "sage").stdout
    for word in ("layers", "norms", "calibration", "strength 1.0 = dose", "seed", "file"):
        assert word in text
