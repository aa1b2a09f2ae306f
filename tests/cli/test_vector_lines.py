"""Lines about vectors show every point that was measured, and mark what is configured."""

from pathlib import Path

import pytest

from persona_core import PersonaManager, get_config
from persona_core.cli.vector_lines import axis_lines, dose_lines, extraction_line, floor_lines, warning_lines


@pytest.fixture
def manager(workspace_folder: Path) -> PersonaManager:
    return PersonaManager(get_config(workspace_folder, model="smollm2"))


def test_an_extraction_is_one_line_with_its_dose_and_each_warning_one_more(manager: PersonaManager) -> None:
    sage = manager.persona("sage")
    assert sage.header.calibration is not None
    line = extraction_line(sage)
    assert line.startswith(f"sage: {sage.header.n_rollouts} replies, fitted in {sage.header.fit_steps} steps; ")
    assert f"{sage.header.calibration.dose:.3f} in direct decoding" in line
    assert "replies, whose halves agree " in extraction_line(sage.with_header(fit_steps=0))
    assert warning_lines(sage.with_header(warnings=("a", "b"))) == ["Warning: a", "Warning: b"]


def test_every_dose_has_a_bar_that_grows_with_the_damage(manager: PersonaManager) -> None:
    sage = manager.persona("sage")
    assert sage.header.calibration is not None
    curve = sage.header.calibration.curve
    rows = [line for line in dose_lines(sage.with_header(guided=None)) if line.startswith("  dose")]
    assert len(rows) == len(curve)
    lengths = [row.count("█") for row in rows]
    assert lengths == sorted(lengths)
    assert all(("|" in row) == (length < 15) for row, length in zip(rows, lengths, strict=True))


def test_the_floor_marks_the_configured_percentile_and_names_a_stricter_one(manager: PersonaManager) -> None:
    identity = manager.persona("sage").header.model
    axis = manager.store.axis("safety_axis", identity)
    lines = floor_lines(axis, manager.config)
    marked = [line for line in lines if line.endswith("configured")]
    assert [line.split()[0] for line in marked] == ["p10"]
    costly = manager.config.replace({"steering.floor_budget": 1e-9})
    assert "Every percentile costs more" in floor_lines(axis, costly)[-1]
    generous = manager.config.replace({"steering.floor_budget": 5.0})
    assert "config set steering.safety_floor_percentile 50`" in floor_lines(axis, generous)[-1]


def test_an_axis_has_a_line_a_layer_and_the_safety_axis_its_floor(manager: PersonaManager) -> None:
    identity = manager.persona("sage").header.model
    safety, assistant = (manager.store.axis(name, identity) for name in ("safety_axis", "assistant_axis"))
    lines = axis_lines(safety, manager.config)
    assert sum(line.startswith("  layer") for line in lines) == identity.n_layers
    assert sum(line.endswith(" capped") for line in lines) == len(safety.header.target_layers)
    assert not any("floor" in line for line in axis_lines(assistant, manager.config))
