"""Axes: made by name or all, and asked for before a model is loaded."""

import pytest

from persona_core import PersonaManager
from persona_core.errors import AxisTooWeak, VectorNotFound
from persona_core.extraction.axes import extract_axes, require_axes
from persona_core.vectors.store import ASSISTANT, BASELINE


def test_without_a_baseline_the_command_that_makes_it_is_named(tiny_engine, tmp_path):
    empty = PersonaManager(tiny_engine.manager.config)
    with pytest.raises(VectorNotFound, match="no axes for tiny yet; run `persona-steer extract-axes` first"):
        require_axes(empty)


def test_the_assistant_axis_comes_with_the_baseline(work):
    (axis,) = extract_axes(work, "assistant")
    assert axis.name == "assistant"
    require_axes(work.manager)
    assert {path.stem for path in work.manager.store.own.glob("*.safetensors")} >= {ASSISTANT, BASELINE}


def test_a_safety_axis_that_separates_nothing_is_refused_and_not_saved(work):
    before = work.manager.store.axis("safety_axis").directions
    with pytest.raises(AxisTooWeak):
        extract_axes(work, "safety")
    assert work.manager.store.axis("safety_axis").directions.equal(before)
