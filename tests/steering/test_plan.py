"""SteeringPlan: plain data with a digest of all that changes the stream."""

import math
from dataclasses import replace

import pytest
import torch

from persona_core.steering.plan import AddDirection, ClampProjection, ProbeProjection, SteeringPlan

ADD = AddDirection(3, torch.tensor([1.0, 2.0]))
CLAMP = ClampProjection(5, torch.tensor([0.0, 1.0]), low=-1.5)
PROBE = ProbeProjection(1, torch.tensor([1.0, 0.0]))
PLAN = SteeringPlan((ADD,), (CLAMP,), (PROBE,), "sage")


def test_the_empty_plan_changes_nothing_and_touches_no_layer() -> None:
    assert not SteeringPlan().changes
    assert SteeringPlan().layers == ()


def test_a_probe_alone_changes_nothing() -> None:
    plan = SteeringPlan(probes=(PROBE,))
    assert not plan.changes
    assert plan.layers == (1,)
    assert plan.digest() == SteeringPlan().digest()


@pytest.mark.parametrize("plan", [SteeringPlan(additions=(ADD,)), SteeringPlan(clamps=(CLAMP,))])
def test_an_addition_or_a_clamp_changes_the_stream(plan: SteeringPlan) -> None:
    assert plan.changes


def test_layers_are_in_order_and_each_stands_once() -> None:
    assert replace(PLAN, clamps=(CLAMP, replace(CLAMP, layer=3))).layers == (1, 3, 5)


def test_the_parts_by_layer_make_up_the_plan() -> None:
    parts = [PLAN.by_layer(layer) for layer in PLAN.layers]
    assert [(part.additions, part.clamps, part.probes) for part in parts] == [
        ((), (), (PROBE,)),
        ((ADD,), (), ()),
        ((), (CLAMP,), ()),
    ]
    assert {part.label for part in parts} == {"sage"}
    assert not PLAN.by_layer(2).layers


def test_the_digest_does_not_count_what_changes_nothing() -> None:
    same = SteeringPlan((replace(ADD, direction=ADD.direction.clone()),), (CLAMP,), (), "another label")
    assert same.digest() == PLAN.digest()


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, additions=(replace(ADD, layer=4),)),
        replace(PLAN, additions=(replace(ADD, direction=torch.tensor([1.0, 2.0000002])),)),
        replace(PLAN, additions=()),
        replace(PLAN, clamps=(replace(CLAMP, low=-1.4),)),
        replace(PLAN, clamps=(replace(CLAMP, high=9.0),)),
        replace(PLAN, clamps=(replace(CLAMP, layer=6),)),
        replace(PLAN, clamps=(replace(CLAMP, unit_direction=torch.tensor([1.0, 0.0])),)),
        replace(PLAN, clamps=(CLAMP, CLAMP)),
    ],
)
def test_the_digest_counts_everything_that_changes_the_stream(other: SteeringPlan) -> None:
    assert other.digest() != PLAN.digest()


def test_a_clamp_is_open_unless_bounds_are_given() -> None:
    clamp = ClampProjection(0, torch.ones(1))
    assert (clamp.low, clamp.high) == (-math.inf, math.inf)


def test_audits_are_read_against_and_are_no_change() -> None:
    audited = replace(PLAN, audits=(replace(CLAMP, layer=7, audit=True),))
    assert audited.digest() == PLAN.digest()
    assert audited.steering_key() != PLAN.steering_key()
    assert audited.layers == (*PLAN.layers, 7)
    assert audited.by_layer(7).audits == audited.audits
    assert not SteeringPlan(audits=audited.audits).changes
