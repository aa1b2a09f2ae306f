"""The module path, a pure nnsight edit and plain PyTorch hooks give the same greedy tokens on the real model."""

from dataclasses import replace

import plain_hooks
import pytest
import torch

from persona_core.base.messages import question_messages
from persona_core.model.decoding import Row, Sampling, generate_tokens
from persona_core.steering.plan import AddDirection, ClampProjection, SteeringPlan

PROMPTS = ("What makes a good life?", "Hi", "Name three fruits and say in one sentence why each of them is healthy.")
GREEDY = Sampling(max_new_tokens=12, temperature=0)


def random_plan(model, seed: int, n_layers: int = 4, size: float = 0.3, low: float = 1.0) -> SteeringPlan:
    """Return a plan of random directions, of noticeable size unless given, with floors in later layers."""
    chance = torch.Generator().manual_seed(seed)
    layers = torch.randperm(model.n_layers - 4, generator=chance)[:n_layers].tolist()
    hidden = model.identity.hidden_size
    additions = [AddDirection(layer, torch.randn(hidden, generator=chance) * size) for layer in layers]
    units = [torch.nn.functional.normalize(torch.randn(hidden, generator=chance), dim=0) for _ in layers]
    clamps = [ClampProjection(layer + 3, unit, low=low) for layer, unit in zip(layers, units, strict=True)]
    return SteeringPlan(tuple(additions), tuple(clamps), label=f"random {seed}")


def module_tokens(model, prompts, plan, sampling=GREEDY):
    """Return the product's own tokens."""
    rows = [Row(prompt, plan) for prompt in prompts]
    for _ in generate_tokens(model, rows, sampling):
        pass
    return [row.tokens for row in rows]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_module_path_equals_hooks_and_nnsight_edit_for_one_row(model, seed):
    prompt = [model.encode(question_messages(PROMPTS[seed]))]
    plan = random_plan(model, seed)
    ours = module_tokens(model, prompt, plan)
    assert ours == plain_hooks.hook_tokens(model, prompt, plan, GREEDY.max_new_tokens)
    assert ours == plain_hooks.nnsight_tokens(model, prompt, plan, GREEDY.max_new_tokens)
    assert ours != module_tokens(model, prompt, SteeringPlan())


def test_module_path_equals_hooks_and_nnsight_edit_in_a_left_padded_batch(model):
    prompts = [model.encode(question_messages(prompt)) for prompt in PROMPTS]
    plan = random_plan(model, 7)
    ours = module_tokens(model, prompts, plan)
    assert ours == plain_hooks.hook_tokens(model, prompts, plan, GREEDY.max_new_tokens)
    assert ours == plain_hooks.nnsight_tokens(model, prompts, plan, GREEDY.max_new_tokens)


def test_rows_of_a_batch_equal_their_single_runs_under_their_own_plans(model):
    prompts = [model.encode(question_messages(prompt)) for prompt in PROMPTS]
    plans = [random_plan(model, 11), SteeringPlan(), random_plan(model, 12)]
    rows = [Row(prompt, plan) for prompt, plan in zip(prompts, plans, strict=True)]
    for _ in generate_tokens(model, rows, GREEDY):
        pass
    alone = [module_tokens(model, [prompt], plan)[0] for prompt, plan in zip(prompts, plans, strict=True)]
    assert [row.tokens for row in rows] == alone


@pytest.mark.parametrize("plan", ["empty", "small"])
def test_early_end_of_text_ends_one_row_and_not_the_others(model, plan):
    prompts = [model.encode(question_messages("Say only the word yes.")), model.encode(question_messages(PROMPTS[0]))]
    steered = SteeringPlan() if plan == "empty" else random_plan(model, 3, size=0.05, low=0.1)
    ours = module_tokens(model, prompts, steered, Sampling(max_new_tokens=40, temperature=0))
    assert ours == plain_hooks.hook_tokens(model, prompts, steered, 40)
    assert ours == plain_hooks.nnsight_tokens(model, prompts, steered, 40)
    assert len(ours[0]) < len(ours[1]) == 40


def test_empty_plan_is_bit_identical_to_the_untouched_model(model):
    ids = torch.tensor([model.encode(question_messages(PROMPTS[0]))])
    ours = model.forward(ids, armed={}, keep_logits=0)
    with torch.inference_mode():
        plain = model._model(input_ids=ids, use_cache=False).logits
    assert torch.equal(ours, plain)


def test_empty_plan_gives_the_same_tokens_in_a_batch(model):
    prompts = [model.encode(question_messages(prompt)) for prompt in PROMPTS]
    ours = module_tokens(model, prompts, SteeringPlan())
    assert ours == plain_hooks.hook_tokens(model, prompts, SteeringPlan(), GREEDY.max_new_tokens)
    assert ours == plain_hooks.nnsight_tokens(model, prompts, SteeringPlan(), GREEDY.max_new_tokens)


def test_strength_zero_and_no_persona_are_the_same_tokens_as_the_untouched_model(model, engine):
    plain = plain_hooks.hook_tokens(model, [model.encode(question_messages(PROMPTS[0]))], SteeringPlan(), 12)[0]
    for persona, strength in ((None, 1.0), ("sage", 0.0)):
        stream = engine.stream(PROMPTS[0], persona, strength=strength, sampling=GREEDY)
        assert list(stream)
        assert stream.row.tokens == plain
        assert stream.reply.receipt.relative_change == {}


def next_block_inputs(model, plan, layers, dtype):
    """Return layer -> every token after the first as the next block received it, in float64."""
    seen = {layer: [] for layer in layers}
    blocks = model._model.get_submodule(model._layers_path)
    handles = [
        blocks[layer + 1].register_forward_pre_hook(
            lambda _, inputs, layer=layer: seen[layer].append(inputs[0].detach().clone())
        )
        for layer in layers
    ]
    weights = [(part, part.data) for part in (*model._model.parameters(), *model._model.buffers())]
    model._model.to(dtype)
    try:
        rows = [Row(model.encode(question_messages(PROMPTS[0])), plan)]
        for _ in generate_tokens(model, rows, GREEDY):
            pass
    finally:
        for part, data in weights:  # the shared model gets its own numbers back, and not rounded ones
            part.data = data
        for handle in handles:
            handle.remove()
    found = {layer: torch.cat([stream[0] for stream in streams])[1:].double() for layer, streams in seen.items()}
    assert all(len(tokens) > len(rows[0].prompt) for tokens in found.values())
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_floor_holds_on_what_the_next_block_receives(model, engine, dtype):
    """Every token after the first, in three precisions: read as the input of the next block by a plain hook."""
    plan = engine.plan(engine.steering("trickster", 1.5, True))
    floors = {clamp.layer: clamp for clamp in plan.clamps if clamp.layer + 1 < model.n_layers}
    for layer, tokens in next_block_inputs(model, plan, floors, dtype).items():
        shortfall = floors[layer].low - (tokens @ floors[layer].unit_direction.double())
        assert float(shortfall.max()) <= 2e-4 * max(abs(floors[layer].low), 1.0), (layer, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_floors_at_an_angle_hold_together_on_what_the_next_block_receives(model, engine, dtype):
    """A second floor at 45 degrees to the safety floor, high enough to lift every token, listed before it."""
    plan = engine.plan(engine.steering("trickster", 1.0, True))
    chance, floors = torch.Generator().manual_seed(4), []
    for clamp in plan.clamps[:3]:
        other = torch.nn.functional.normalize(torch.randn(len(clamp.unit_direction), generator=chance), dim=0)
        between = torch.nn.functional.normalize(other - clamp.unit_direction, dim=0)
        floors += [ClampProjection(clamp.layer, between, low=clamp.low + 3, name="between"), clamp]
    held = next_block_inputs(model, replace(plan, clamps=tuple(floors)), {clamp.layer for clamp in floors}, dtype)
    for clamp in floors:
        shortfall = clamp.low - held[clamp.layer] @ clamp.unit_direction.double()
        assert float(shortfall.max()) <= 2e-4 * max(abs(clamp.low), 1.0), (clamp.layer, clamp.name, dtype)
