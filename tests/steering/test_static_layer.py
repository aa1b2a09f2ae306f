"""StaticSteer: uncompiled, it steers and counts as the eager layer does, and serves any plan of its shape."""

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from persona_core.steering.layer import ArmedLayer, arm
from persona_core.steering.plan import AddDirection, ClampProjection, ProbeProjection, SteeringPlan
from persona_core.steering.static_layer import StaticSteer
from persona_core.steering.sums import Sums

HIDDEN, CPU = 8, torch.device("cpu")


def plan(seed: int) -> SteeringPlan:
    """Return a plan that does everything at layer 2."""
    chance = torch.Generator().manual_seed(seed)
    one, two, three, four = torch.nn.functional.normalize(torch.randn(4, HIDDEN, generator=chance), dim=-1)
    return SteeringPlan(
        (AddDirection(2, one),),
        (ClampProjection(2, two, low=0.2), ClampProjection(2, three, low=-0.1, high=0.3)),
        (ProbeProjection(2, four),),
        audits=(ClampProjection(2, one, low=0.9, audit=True),),
    )


def streams(tokens: int, rows: int, seed: int = 9) -> Tensor:
    return torch.randn(tokens, rows, 1, HIDDEN, generator=torch.Generator().manual_seed(seed))


def static(layer: ArmedLayer, rows: int, live: int) -> StaticSteer:
    return StaticSteer(layer, torch.arange(rows) < live, HIDDEN)


def assert_same_sums(one: Sums, other: Sums) -> None:
    for field in fields(Sums):
        torch.testing.assert_close(getattr(one, field.name), getattr(other, field.name), msg=field.name)


@pytest.mark.parametrize("rows", [1, 3])
def test_it_does_and_counts_what_the_eager_layer_does(rows: int) -> None:
    eager, read = (arm([plan(seed) for seed in range(rows)], CPU)[2] for _ in range(2))
    steer, latest = static(read, 4, rows), []
    for hidden in streams(5, 4):
        torch.testing.assert_close(steer(hidden)[:rows], eager(hidden[:rows]))
        latest.append(steer.latest.clone())
    steer.settle_into(read, torch.full((4,), 5.0), torch.stack(latest, 1))
    assert_same_sums(read.tally.settled(), eager.tally.settled())
    for row in range(rows):
        assert read.tally.projections(row) == pytest.approx(eager.tally.projections(row), abs=1e-5)


def test_a_row_that_has_ended_runs_on_uncounted() -> None:
    layer = arm([plan(0), plan(1)], CPU)[2]
    steer = static(layer, 2, 2)
    first, second = streams(2, 2)
    steer(first)
    steer.live[1] = False
    steer(second)
    steer.settle_into(layer, torch.tensor([2.0, 1.0]), None)
    alone = arm([plan(0), plan(1)], CPU)[2]
    alone(first)
    sums, expected = layer.tally.settled(), alone.tally.settled()
    assert sums.tokens.tolist() == [2, 1]
    assert float(sums.relative_change[1]) == pytest.approx(float(expected.relative_change[1]))
    assert float(sums.relative_change[0]) > float(expected.relative_change[0])


def test_another_plan_of_the_same_shape_is_written_into_the_same_buffers() -> None:
    first, second = (arm([plan(seed)], CPU)[2] for seed in (0, 5))
    assert first.shape == second.shape
    steer, (hidden,) = static(first, 1, 1), streams(1, 1)
    buffer = steer.add
    steer(hidden)
    steer.write(second)
    assert steer.add is buffer
    torch.testing.assert_close(steer(hidden), second(hidden))
    steer.settle_into(second, torch.ones(1), None)
    assert second.tally.settled().tokens.tolist() == [2]


def test_idle_buffers_hand_on_the_stream() -> None:
    layer = arm([SteeringPlan(probes=plan(0).probes)], CPU)[2]
    (hidden,) = streams(1, 1)
    assert torch.equal(static(layer, 1, 1)(hidden), hidden)
