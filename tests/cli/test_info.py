"""`info` shows everything that is known of one persona."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from persona_core import PersonaManager, get_config

Run = Callable[..., Result]


BASE = ["creator", "explorer", "guardian", "sage", "trickster"]


def test_info_says_for_each_figure_what_it_means(run: Run) -> None:
    data = json.loads(run("info", "sage", "--json").stdout)
    assert data["cosines_with_axes"].keys() == {"safety_axis", "assistant_axis"}
    assert set(data["cosines_with_personas"]) == set(BASE) - {"sage"}
    assert len(data["norms"]) == len(data["target_layers"])
    text = run("info", "sage").stdout
    says = {
        "layers": "where it is added",
        "strength 1.0": f"in guided decoding at 2: dose {data['guided']['dose']:.3f}, damage .*, gain .*",
        "damage": "the fluency that it costs; .* is allowed",
        "gain": "how much more its replies sound like the persona's own system prompt",
        "agreement": "how alike two halves of its data point; .*",
        "length": "what was fitted",
        "likeness": "1 is the same direction, .*",
        "safety": "at 0 the persona by itself does not touch safety",
        "assistant": "below 0 it leads away from the default assistant",
    }
    assert {key for key, meaning in says.items() if not re.search(rf"(?m)^ +{key} +.*{meaning}$", text)} == set()
    for word in ("seed", "file", *data["cosines_with_personas"]):
        assert word in text


def test_a_persona_without_calibration_is_told_what_to_run(run: Run, workspace_folder: Path) -> None:
    manager = PersonaManager(get_config(workspace_folder))
    manager.save(manager.persona("sage").with_header(name="plain", calibration=None, guided=None, measured={}))
    text = run("info", "plain").stdout
    assert "none: `persona-steer calibrate` finds" in text
    assert "agreement" not in text
