"""Plans: how often they are built and which files that reads, on a model of random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from persona_core import SteeringEngine
from persona_core.engine import engine as engine_module
from persona_core.engine.planning import build_plan
from persona_core.engine.request import SteeringRequest
from persona_core.errors import SafetyUnavailable, SteeringError
from persona_core.model.decoding import Sampling
from persona_core.vectors import file as vector_file

SHORT = Sampling(2, 0.0)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the vector files that are read from now on."""
    names: list[str] = []
    read = vector_file.read_tensors

    def counted(path: Path) -> object:
        names.append(path.stem)
        return read(path)

    monkeypatch.setattr(vector_file, "read_tensors", counted)
    return names


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[SteeringRequest]:
    """The requests that plans are built for from now on."""
    requests: list[SteeringRequest] = []

    def counted(model: object, manager: object, request: SteeringRequest, history: Sequence[object]) -> object:
        requests.append(request)
        return build_plan(model, manager, request, history)  # type: ignore[arg-type]

    monkeypatch.setattr(engine_module, "build_plan", counted)
    return requests


def test_a_plan_reads_each_file_once_and_the_next_plan_reads_none(
    tiny_engine: SteeringEngine, reads: list[str]
) -> None:
    engine = SteeringEngine(tiny_engine.model)
    engine.plan(engine.steering("sage"))
    assert sorted(reads) == ["assistant_axis", "safety_axis", "sage"]
    engine.plan(engine.steering("sage", 0.5))
    assert len(reads) == 3


def test_prompts_that_ask_for_the_same_share_one_plan(
    tiny_engine: SteeringEngine, plans: list[SteeringRequest]
) -> None:
    replies = tiny_engine.generate(["What is fire?"] * 8, "sage", sampling=SHORT)
    assert len(plans) == 1
    assert len({reply.receipt.plan for reply in replies}) == 1


def test_each_different_request_of_a_batch_has_its_plan(
    tiny_engine: SteeringEngine, plans: list[SteeringRequest]
) -> None:
    speakers = ["sage", "trickster", None, {"sage": 1.0}, SteeringRequest({"sage": 1.0}, 0.5)]
    replies = tiny_engine.generate(["What is fire?"] * 5, speakers, sampling=SHORT)
    assert len(plans) == 4
    assert [reply.receipt.strength for reply in replies] == [1.0, 1.0, 0.0, 1.0, 0.5]


def test_a_request_that_travels_whole_gives_what_its_parts_give(tiny_engine: SteeringEngine) -> None:
    parts = tiny_engine.generate(["Hi"], "sage", strength=1.5, safety=False, sampling=SHORT)
    whole = tiny_engine.generate(["Hi"], SteeringRequest({"sage": 1.0}, 1.5, False, 2.0), sampling=SHORT)
    assert parts == whole


def test_always_holds_the_floor_where_nothing_is_steered(tiny_engine: SteeringEngine) -> None:
    alone, steered = (tiny_engine.plan(tiny_engine.steering(name, safety="always")) for name in (None, "sage"))
    assert alone.additions == ()
    assert tuple(clamp.layer for clamp in alone.clamps) == tiny_engine.model.capping_layers
    assert [clamp.low for clamp in alone.clamps] == [clamp.low for clamp in steered.clamps]
    (reply,) = tiny_engine.generate(["Hi"], [None], safety="always", sampling=SHORT)
    receipt = reply.receipt
    assert (receipt.personas, receipt.strength, receipt.safety) == ({}, 0.0, "on")
    assert receipt.floor is not None
    assert receipt.floor.lowest_after >= -1e-3
    assert receipt.line().startswith("unsteered, 2 tokens; floor held in layers")


@pytest.mark.parametrize("safety", [True, False])
def test_nothing_is_held_where_nothing_is_steered_unless_always(tiny_engine: SteeringEngine, safety: bool) -> None:
    plan = tiny_engine.plan(tiny_engine.steering("sage", 0.0, safety))
    assert not plan.changes


def test_always_without_an_axis_is_refused_and_never_served_without_a_floor(tiny_engine: SteeringEngine) -> None:
    axis = tiny_engine.manager.store.part_path("safety_axis")
    assert axis is not None
    kept = axis.read_bytes()
    axis.unlink()
    try:
        with pytest.raises(SafetyUnavailable, match="extract-axes"):
            tiny_engine.generate(["Hi"], safety="always", sampling=SHORT)
    finally:
        axis.write_bytes(kept)


def test_guidance_asks_a_guided_dose_only_of_personas_that_count(tiny_engine: SteeringEngine) -> None:
    manager = tiny_engine.manager
    direct_only = manager.store.persona("sage").with_header(name="direct", guided=None)
    manager.save(direct_only)
    silent = SteeringRequest({"direct": 0.0, "trickster": 1.0}, 1.0, guidance=2.0)
    assert tiny_engine.plan(silent).label == "trickster"
    assert tiny_engine.plan(SteeringRequest({"direct": 1.0}, 0.0, guidance=2.0)).additions == ()
    with pytest.raises(SteeringError, match="direct has no dose for guided decoding"):
        tiny_engine.plan(SteeringRequest({"direct": 1.0}, 1.0, guidance=2.0))
