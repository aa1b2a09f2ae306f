"""ArmedLayer and Steer: what is done to a batch's stream at one layer, and what is counted of it."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn

from persona_core.errors import SteeringError
from persona_core.steering.layer import arm, install
from persona_core.steering.plan import AddDirection, ClampProjection, ProbeProjection, SteeringPlan

HIDDEN = 12
CPU = torch.device("cpu")


class Block(nn.Module):
    """A decoder layer that returns its stream and something else, as many do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor, str]:
        return self.linear(hidden), "cache"


def test_an_idle_layer_hands_on_the_stream_itself_and_keeps_its_state_dict() -> None:
    block, hidden = Block(), torch.randn(1, 3, HIDDEN)
    keys, expected = list(block.state_dict()), block(hidden)[0]
    steer = install(block)
    assert list(block.state_dict()) == keys
    assert isinstance(block, Block)
    assert torch.equal(block(hidden)[0], expected)
    assert steer(hidden) is hidden


def test_an_armed_layer_steers_its_output_and_leaves_the_rest_of_it() -> None:
    block, hidden = Block(), torch.randn(1, 3, HIDDEN)
    plain = block(hidden)[0]
    steer = install(block)
    steer.armed = arm([SteeringPlan((AddDirection(0, torch.ones(HIDDEN)),))], CPU)[0]
    steered, rest = block(hidden)
    torch.testing.assert_close(steered, plain + 1)
    assert rest == "cache"


def test_each_row_gets_its_own_plan_and_the_unsteered_row_stays_bit_identical() -> None:
    hidden = torch.randn(3, 2, HIDDEN)
    up, down = (SteeringPlan((AddDirection(4, sign * torch.ones(HIDDEN)),)) for sign in (1, -1))
    layer = arm([up, SteeringPlan(), down], CPU)[4]
    steered = layer(hidden)
    torch.testing.assert_close(steered[0], hidden[0] + 1)
    assert torch.equal(steered[1], hidden[1])
    torch.testing.assert_close(steered[2], hidden[2] - 1)
    sums = layer.tally.settled()
    assert sums.tokens.tolist() == [2, 2, 2]
    assert [sums.mean_change(row) > 0 for row in range(3)] == [True, False, True]


def test_rows_that_run_on_are_counted_where_they_stood() -> None:
    probe = SteeringPlan(probes=(ProbeProjection(0, torch.eye(HIDDEN)[0]),))
    layer = arm([probe] * 3, CPU)[0]
    layer(torch.full((3, 1, HIDDEN), 1.0))
    rest = layer.select([2])
    rest(torch.full((1, 1, HIDDEN), 5.0))
    assert layer.tally.settled().tokens.tolist() == [1, 1, 2]
    assert [layer.tally.projections(row) for row in range(3)] == [[1.0], [1.0], [1.0, 5.0]]


def test_tokens_that_are_not_kept_are_neither_steered_nor_counted() -> None:
    layer = arm([SteeringPlan((AddDirection(0, torch.ones(HIDDEN)),))], CPU)[0]
    layer.keep = torch.tensor([[False, True]])
    steered = layer(torch.zeros(1, 2, HIDDEN))
    assert steered[0, :, 0].tolist() == [0.0, 1.0]
    assert layer.tally.settled().tokens.tolist() == [1]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_clamps_on_one_direction_are_one_and_lower_ends_come_first(order: Sequence[int]) -> None:
    a = torch.nn.functional.normalize(torch.randn(HIDDEN, generator=torch.Generator().manual_seed(5)), dim=0)
    own = [ClampProjection(0, a, low=1.0), ClampProjection(0, a.clone(), low=-1.0, high=0.5), ClampProjection(0, -a)]
    layer = arm([SteeringPlan(clamps=tuple(own[place] for place in order))], CPU)[0]
    assert len(layer.clamps) == 2
    bounded = next(clamp for clamp in layer.clamps if torch.equal(clamp.unit_direction[0, 0], a))
    assert (float(bounded.low), float(bounded.high)) == (1.0, 1.0)  # type: ignore[arg-type]


def test_an_audited_bound_moves_nothing_and_counts_what_it_would_have_moved() -> None:
    """Two tokens of three lie outside 1..3, by 2 and by 1.5; a clamp holds one of them, which then counts no more."""
    a, b = torch.eye(HIDDEN)[:2]
    hidden = torch.zeros(1, 3, HIDDEN)
    hidden[0, :, 0] = torch.tensor([-1.0, 2.0, 4.5])
    audit = ClampProjection(0, a, low=1.0, high=3.0, audit=True)
    for clamps, hits, farthest in (((), 2, 2.0), ((ClampProjection(0, a, low=1.0),), 1, 1.5)):
        plan = SteeringPlan(clamps=(*clamps, ClampProjection(0, b)), audits=(audit,))
        layer, plain = (arm([each], CPU)[0] for each in (plan, replace(plan, audits=())))
        assert torch.equal(layer(hidden), plain(hidden))
        sums = layer.tally.settled()
        assert (sums.audit_hits.tolist(), sums.audit_distance.tolist()) == ([[hits]], [[farthest]])


def test_audits_of_rows_are_counted_apart_and_padding_not_at_all() -> None:
    a = torch.eye(HIDDEN)[0]
    plans = [SteeringPlan(audits=(ClampProjection(0, a, low=1.0, audit=True),)), SteeringPlan(clamps=())]
    layer = arm(plans, CPU)[0]
    layer.keep = torch.tensor([[False, True, True], [True, True, True]])
    layer(torch.zeros(2, 3, HIDDEN))
    assert layer.tally.settled().audit_hits.tolist() == [[2.0], [0.0]]
    assert layer.tally.settled().audit_distance.tolist() == [[1.0], [0.0]]


def test_a_second_probe_at_a_layer_is_refused_and_never_left_out() -> None:
    probes = tuple(ProbeProjection(3, torch.eye(HIDDEN)[index], name) for index, name in enumerate(("one", "other")))
    with pytest.raises(SteeringError, match="layer 3 has the probes one and other"):
        arm([SteeringPlan(probes=probes)], CPU)
