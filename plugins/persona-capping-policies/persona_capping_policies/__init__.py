"""Three capping policies: `band`, `multi-axis` and `audit-only`.

The core holds the configured safety floor beside each of them, and all bounds of a layer at once: a token outside any
goes to the nearest point within all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from persona_core import hookimpl
from persona_core.errors import SafetyUnavailable

if TYPE_CHECKING:
    from persona_core import Axis, CappingContext, CappingPolicy, ClampProjection

SAFETY, ASSISTANT = "safety", "assistant"


@dataclass(frozen=True)
class Band:
    """Holds the safety axis between two percentiles of benign replies: the configured one and `high`.

    The upper bound stops steering that overshoots: a stream far above every benign reply is as unusual as one below.
    """

    high: float = 99.0
    name: str = "band"

    def clamps(self, context: CappingContext) -> Sequence[ClampProjection]:
        """Return one range a capped layer; where the configured percentile lies above `high`, a range of one point."""
        from persona_core import ClampProjection

        axis = context.axes[SAFETY]
        low, high = axis.percentile(context.percentile), axis.percentile(max(self.high, context.percentile))
        return [
            ClampProjection(layer, axis.directions[layer], float(low[layer]), float(high[layer]), SAFETY)
            for layer in context.layers
        ]


@dataclass(frozen=True)
class MultiAxis:
    """Holds the safety axis above the configured percentile and the assistant axis above the percentile `assistant`."""

    assistant: float = 1.0
    name: str = "multi-axis"

    def clamps(self, context: CappingContext) -> Sequence[ClampProjection]:
        """Return two floors a capped layer.

        Raises `SafetyUnavailable` where the model has no assistant axis.
        """
        safety = floors(context, SAFETY, context.percentile, self.name)
        return [*safety, *floors(context, ASSISTANT, self.assistant, self.name)]


@dataclass(frozen=True)
class AuditOnly:
    """Holds nothing but the configured floor; the receipt says what each of `policies` would have moved beyond it."""

    policies: tuple[CappingPolicy, ...] = field(default_factory=lambda: (Band(), MultiAxis()))
    name: str = "audit-only"

    def clamps(self, context: CappingContext) -> Sequence[ClampProjection]:
        """Return the bounds of all policies as audits, each named after its policy and its own name.

        Raises `SafetyUnavailable` where one of them does.
        """
        return [
            replace(bound, audit=True, name=f"{policy.name}:{bound.name}")
            for policy in self.policies
            for bound in policy.clamps(context)
        ]


def floors(context: CappingContext, name: str, level: float, policy: str) -> list[ClampProjection]:
    """Return a floor on an axis at a percentile of benign replies, one a capped layer."""
    from persona_core import ClampProjection

    axis = _axis(context, name, policy)
    low = axis.percentile(level)
    return [ClampProjection(layer, axis.directions[layer], float(low[layer]), name=name) for layer in context.layers]


def _axis(context: CappingContext, name: str, policy: str) -> Axis:
    if name not in context.axes:
        raise SafetyUnavailable(
            f"capping policy {policy!r} needs the {name} axis, and this model has none; "
            "run `persona-steer extract-axes`, or choose another steering.capping_policy"
        )
    return context.axes[name]


@hookimpl
def register_capping_policies() -> Sequence[CappingPolicy]:
    """Return the three policies."""
    return [Band(), MultiAxis(), AuditOnly()]
