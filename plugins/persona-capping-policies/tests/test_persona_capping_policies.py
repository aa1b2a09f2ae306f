"""The policies as data, and what they guarantee on the real model: read where the next block receives the stream."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from persona_capping_policies import AuditOnly, Band, MultiAxis
from torch import Tensor

from persona_core import (
    CappingContext,
    CappingPolicy,
    ClampProjection,
    ModelWrapper,
    PercentileFloor,
    PersonaManager,
    PluginManager,
    Row,
    Sampling,
    SteeringEngine,
    SteeringPlan,
    generate_tokens,
    get_config,
    question_messages,
)
from persona_core.errors import SafetyUnavailable
from persona_core.testing import check_capping_policy, example_context

CONTEXT = example_context()
POLICIES: list[CappingPolicy] = [Band(), MultiAxis(), AuditOnly()]
unhurried = settings(deadline=None)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_policy_keeps_the_contract(policy: CappingPolicy) -> None:
    check_capping_policy(policy)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_the_installed_entry_point_brings_the_policy(policy: CappingPolicy, persona_plugins: PluginManager) -> None:
    registered = persona_plugins.registry("register_capping_policies")[policy.name]
    assert registered.distribution == "persona-capping-policies"
    assert registered.value == policy


def percentiles(axis: str, level: float) -> list[float]:
    """Return an axis's percentile at the capped layers."""
    return CONTEXT.axes[axis].percentile(level)[list(CONTEXT.layers)].tolist()


@unhurried
@given(st.floats(0, 100))
def test_a_band_runs_from_the_configured_to_the_high_percentile(level: float) -> None:
    clamps = Band().clamps(replace(CONTEXT, percentile=level))
    assert [clamp.layer for clamp in clamps] == list(CONTEXT.layers)
    assert [clamp.low for clamp in clamps] == pytest.approx(percentiles("safety", level))
    assert [clamp.high for clamp in clamps] == pytest.approx(percentiles("safety", max(99.0, level)))
    assert all(torch.equal(clamp.unit_direction, CONTEXT.axes["safety"].directions[clamp.layer]) for clamp in clamps)


@unhurried
@given(st.floats(0, 100), st.floats(0, 100))
def test_multi_axis_floors_each_axis_at_its_own_percentile(level: float, assistant: float) -> None:
    clamps = MultiAxis(assistant=assistant).clamps(replace(CONTEXT, percentile=level))
    for name, wanted in (("safety", level), ("assistant", assistant)):
        own = [clamp for clamp in clamps if clamp.name == name]
        assert [clamp.layer for clamp in own] == list(CONTEXT.layers)
        assert [clamp.low for clamp in own] == pytest.approx(percentiles(name, wanted))
        assert all(clamp.high == math.inf for clamp in own)
        assert all(torch.equal(clamp.unit_direction, CONTEXT.axes[name].directions[clamp.layer]) for clamp in own)


def test_an_audit_is_the_bounds_of_its_policies_and_holds_none() -> None:
    bounds = AuditOnly().clamps(CONTEXT)
    assert {bound.name for bound in bounds} == {"band:safety", "multi-axis:safety", "multi-axis:assistant"}
    assert all(bound.audit for bound in bounds)
    assert [bound.high for bound in bounds if bound.name == "band:safety"] == [
        bound.high for bound in Band().clamps(CONTEXT)
    ]


@pytest.mark.parametrize("policy", [MultiAxis(), AuditOnly()], ids=lambda policy: policy.name)
def test_a_missing_assistant_axis_is_an_error_that_says_what_to_run(policy: CappingPolicy) -> None:
    with pytest.raises(SafetyUnavailable, match="persona-steer extract-axes"):
        policy.clamps(replace(CONTEXT, axes={"safety": CONTEXT.axes["safety"]}))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelWrapper:
    """The embedded model with its bundled vectors."""
    return ModelWrapper(get_config(tmp_path_factory.mktemp("capping"), model="smollm2"))


def engine(model: ModelWrapper, policy: str) -> SteeringEngine:
    """Return an engine whose workspace has chosen a policy."""
    config = model.config.replace({"steering.capping_policy": policy})
    return SteeringEngine(model, PersonaManager(config))


def trickster(model: ModelWrapper, policy: CappingPolicy) -> SteeringPlan:
    """Return the plan of a strong trickster with a policy's bounds before the configured floor, as the core has it."""
    steering = engine(model, "percentile-floor")
    plan = steering.plan(steering.steering("trickster", 1.5, True))
    store = steering.manager.store
    axes = {name: store.axis(f"{name}_axis", model.identity) for name in ("safety", "assistant")}
    level = model.config.steering.safety_floor_percentile
    context = CappingContext(axes, model.capping_layers, level, model.target_layers[-1])
    return replace(plan, clamps=(*policy.clamps(context), *plan.clamps))


def received(model: ModelWrapper, plan: SteeringPlan) -> dict[int, Tensor]:
    """Return what the block after each capped layer receives of all tokens but the first, in float64."""
    blocks = model._model.get_submodule(model._layers_path)
    seen: dict[int, list[Tensor]] = {layer: [] for layer in model.capping_layers}
    handles = [
        blocks[layer + 1].register_forward_pre_hook(
            lambda _, inputs, layer=layer: seen[layer].append(inputs[0][0].detach().clone())
        )
        for layer in model.capping_layers
    ]
    row = Row(model.encode(question_messages("What makes a good life?")), plan)
    try:
        for _ in generate_tokens(model, [row], Sampling(12, 0.0)):
            pass
    finally:
        for handle in handles:
            handle.remove()
    tokens = {layer: torch.cat(parts)[1:].double() for layer, parts in seen.items()}
    assert {len(each) for each in tokens.values()} == {len(row.prompt) - 1 + len(row.tokens) - 1}
    return tokens


def outside(tokens: dict[int, Tensor], bound: ClampProjection) -> Tensor:
    """Return how far outside its range each token is."""
    found = tokens[bound.layer] @ bound.unit_direction.double()
    return torch.maximum(bound.low - found, found - bound.high).clamp_min(0)


HELD = [Band(), Band(high=60.0), MultiAxis(), MultiAxis(assistant=60.0)]


@pytest.mark.parametrize("policy", HELD, ids=repr)
def test_every_token_lies_within_every_bound_at_every_capped_layer(model: ModelWrapper, policy: CappingPolicy) -> None:
    plan = trickster(model, policy)
    tokens = received(model, plan)
    for bound in plan.clamps:
        assert float(outside(tokens, bound).max()) <= 2e-4 * max(abs(bound.low), 1.0), (bound.layer, bound.name)


@pytest.mark.parametrize("policy", HELD[1:], ids=repr)
def test_without_the_policy_some_token_lies_outside(model: ModelWrapper, policy: CappingPolicy) -> None:
    tokens = received(model, replace(trickster(model, policy), clamps=trickster(model, PercentileFloor()).clamps))
    assert max(float(outside(tokens, bound).max()) for bound in trickster(model, policy).clamps) > 0.1


@pytest.mark.parametrize("policy", [Band(), MultiAxis()], ids=repr)
def test_the_configured_policy_is_in_the_plan(model: ModelWrapper, policy: CappingPolicy) -> None:
    steering = engine(model, policy.name)
    plan = steering.plan(steering.steering("trickster", 1.5, True))
    assert plan.digest() == trickster(model, policy).digest()


def test_an_audit_changes_no_token_and_counts_what_lies_outside(model: ModelWrapper) -> None:
    auditing, plain = engine(model, "audit-only"), engine(model, "percentile-floor")
    direct: dict[str, Any] = {"guidance": 0.0, "sampling": Sampling(12, 0.0)}
    replies = [each.generate(["What is fire?"], "trickster", **direct)[0] for each in (auditing, plain)]
    receipt = replies[0].receipt
    assert replies[0].text == replies[1].text
    assert receipt.model_copy(update={"audits": {}}) == replies[1].receipt
    plan = auditing.plan(auditing.steering("trickster", 1.5, True, 0.0))
    tokens = received(model, plan)
    (reply,) = auditing.generate(["What makes a good life?"], "trickster", strength=1.5, **direct)
    for name, found in reply.receipt.audits.items():
        distances = [outside(tokens, bound) for bound in plan.audits if bound.name == name]
        assert found.hits == sum(int((distance > 1e-4).sum()) for distance in distances), name
        assert found.farthest == pytest.approx(max(float(distance.max()) for distance in distances), abs=1e-3)
    assert set(reply.receipt.audits) == {"band:safety", "multi-axis:safety", "multi-axis:assistant"}
    assert sum(found.hits for found in reply.receipt.audits.values()) > 0
    assert "multi-axis:assistant would have moved" in reply.receipt.line()
