"""FloorCheck: a stream below its floor, or one with a number that is not finite, stops the reply."""

import pytest
import torch

from persona_core.errors import SafetyUnavailable
from persona_core.steering.floor_check import FloorCheck, floor_slack
from persona_core.steering.layer import ArmedLayer, arm
from persona_core.steering.plan import ClampProjection, ProbeProjection, SteeringPlan
from persona_core.steering.sums import Observation

HIDDEN, CPU = 4, torch.device("cpu")
FLOOR = ClampProjection(1, torch.eye(HIDDEN)[0], low=2.0)


def layer_with(*projections: float, tokens: int = 1) -> ArmedLayer:
    """Return a layer whose newest tokens have these projections on the floor's axis, a row each."""
    layer = arm([SteeringPlan(clamps=(FLOOR,))] * len(projections), CPU)[1]
    stream = torch.zeros(len(projections), tokens, HIDDEN)
    stream[..., 0] = torch.tensor(projections)[:, None]
    lift = (torch.zeros(stream.shape[:2]), stream[..., 0])
    observation = Observation(stream, stream, (lift,))
    if tokens == 1:
        layer.tally.defer(observation, layer._count)
    else:
        layer._count(observation)
    return layer


def check(layer: ArmedLayer) -> None:
    floor_check = FloorCheck.of([layer])
    assert floor_check is not None
    floor_check.check()


@pytest.mark.parametrize("tokens", [1, 3])
def test_a_stream_on_or_above_its_floor_passes_within_rounding(tokens: int) -> None:
    check(layer_with(2.0, 7.0, 1.99, tokens=tokens))


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("projection", [1.9, -50.0, float("nan"), float("-inf")])
def test_one_row_below_its_floor_stops_the_reply(projection: float, tokens: int) -> None:
    with pytest.raises(SafetyUnavailable, match="floor could not be held"):
        check(layer_with(2.0, projection, tokens=tokens))


def test_nothing_is_checked_where_nothing_is_clamped() -> None:
    probe = arm([SteeringPlan(probes=(ProbeProjection(0, torch.eye(HIDDEN)[0]),))], CPU)
    assert FloorCheck.of(probe.values()) is None


def test_the_slack_grows_with_the_floor_and_is_never_none() -> None:
    low, high = (arm([SteeringPlan(clamps=(ClampProjection(0, FLOOR.unit_direction, low=bound),))], CPU)[0]
                 for bound in (0.1, -300.0))  # fmt: skip
    assert floor_slack(low).tolist() == [pytest.approx(0.01)]
    assert floor_slack(high).tolist() == [pytest.approx(3.0)]
