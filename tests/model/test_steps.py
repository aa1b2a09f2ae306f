"""Steps: eager or compiled, they go on where the last stood, and leave the kept cache whole or visibly unusable."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from persona_core import ModelWrapper, SteeringEngine
from persona_core.model.batching import Batch
from persona_core.model.decoding import Row, Sampling, arm_rows, generate_tokens
from persona_core.model.loading.load import LoadedModel
from persona_core.model.steps import CompiledSteps, EagerSteps, KeptCache
from persona_core.steering.plan import UNSTEERED, AddDirection, ClampProjection, ProbeProjection, SteeringPlan

HIDDEN = 32
PROMPTS = ([1, 5, 9, 3], [1, 7], [1, 2, 3, 4, 5, 6, 7])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_engine: SteeringEngine) -> tuple[ModelWrapper, ModelWrapper]:
    """An eager and a compiled model of the same weights; the copy's code runs as it is, which is what is compiled."""
    eager, compiling = (wrapped(tiny_engine, tmp_path_factory.mktemp(how), how) for how in ("off", "on"))
    copy = compiling.compilation._compiled
    assert copy is not None
    copy._step = copy._forward
    return eager, compiling


def wrapped(tiny_engine: SteeringEngine, folder: Path, how: str) -> ModelWrapper:
    """Return a model of random weights, the same each time, whose decoding is, or is not, compiled."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=97, hidden_size=HIDDEN, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=512, eos_token_id=96,
            )
        )  # fmt: skip
    config = tiny_engine.config.replace({"model.compile": how})
    return ModelWrapper(config, loaded=LoadedModel(weights.eval(), tiny_engine.model.tokenizer, "four", "four"))


def plan() -> SteeringPlan:
    """Return something of everything."""
    random = torch.Generator().manual_seed(3)
    unit = torch.nn.functional.normalize(torch.randn(3, HIDDEN, generator=random), dim=-1)
    return SteeringPlan(
        (AddDirection(1, unit[0]),), (ClampProjection(2, unit[1], low=0.2),), (ProbeProjection(3, unit[2]),)
    )


def eager_steps(model: ModelWrapper, prompts: list[list[int]], kept: KeptCache | None = None) -> EagerSteps:
    """Return the steps of unsteered rows; with a kept cache, its cache is used."""
    cache = model.new_cache() if kept is None else kept.cache
    return EagerSteps(model, Batch.at_start(*model.pad(prompts), cache), {}, kept, 8)


def next_logits(model: ModelWrapper, tokens: list[int]) -> torch.Tensor:
    """Return the logits that follow a row of its own."""
    return eager_steps(model, [tokens]).logits()[0, -1]


def test_eager_steps_go_on_with_the_rows_that_live(models: tuple[ModelWrapper, ModelWrapper]) -> None:
    model = models[0]
    steps = eager_steps(model, [list(prompt) for prompt in PROMPTS])
    steps.logits()
    logits = steps.go_on([11, 12, 13], live=[0, 2]).logits()[:, -1]
    alone = [next_logits(model, [*PROMPTS[row], token]) for row, token in ((0, 11), (2, 13))]
    assert torch.allclose(logits, torch.stack(alone), atol=1e-4)


def test_the_kept_cache_lists_what_has_run_and_serves_the_next_prompt(
    models: tuple[ModelWrapper, ModelWrapper],
) -> None:
    model = models[0]
    kept = KeptCache([], model.new_cache())
    steps = eager_steps(model, [[1, 2, 3]], kept)
    steps.logits()
    steps.go_on([4], live=[0]).logits()
    assert kept.tokens == [1, 2, 3, 4]
    row = Row([1, 2, 3, 4, 5], UNSTEERED)
    list(generate_tokens(model, [row], Sampling(3, 0.0), kept=kept))
    fresh = Row(row.prompt, UNSTEERED)
    list(generate_tokens(model, [fresh], Sampling(3, 0.0)))
    assert row.tokens == fresh.tokens
    assert kept.tokens == [*row.prompt, *row.tokens[:-1]]


def test_a_forward_that_fails_leaves_no_token_listed(models: tuple[ModelWrapper, ModelWrapper]) -> None:
    model = models[0]
    kept = KeptCache([], model.new_cache())
    steps = eager_steps(model, [[1, 2, 3]], kept)
    steps.logits()
    with pytest.raises(IndexError):
        steps.go_on([1000], live=[0]).logits()  # the vocabulary has 97 tokens
    assert kept.tokens == []


@pytest.fixture(params=[1, 3])
def replies(
    request: pytest.FixtureRequest, models: tuple[ModelWrapper, ModelWrapper]
) -> list[tuple[list[list[int]], list[float], list[float]]]:
    """Tokens of steered rows, with the tokens counted and the change added up, eager and compiled."""
    outcomes = []
    for model in models:
        rows = [Row(prompt, plan()) for prompt in PROMPTS[: request.param]]
        armed = arm_rows(model, rows)
        list(generate_tokens(model, rows, Sampling(12, 0.0), armed=armed))
        by_layer = [armed[layer].tally.settled() for layer in (1, 2, 3)]
        counted = [float(count) for sums in by_layer for count in sums.tokens]
        changed = [float(change) for sums in by_layer for change in sums.relative_change]
        outcomes.append(([row.tokens for row in rows], counted, changed))
    return outcomes


def test_compiled_steps_say_and_count_what_eager_steps_do(
    replies: list[tuple[list[list[int]], list[float], list[float]]],
) -> None:
    (tokens, counted, changed), (compiled_tokens, compiled_counted, compiled_changed) = replies
    assert compiled_tokens == tokens
    assert compiled_counted == counted
    assert compiled_changed == pytest.approx(changed, rel=1e-3)
    assert min(counted) > 0


def test_compiled_steps_leave_a_kept_cache_that_eager_steps_could_have_left(
    models: tuple[ModelWrapper, ModelWrapper],
) -> None:
    caches = []
    for model in models:
        kept = KeptCache([], model.new_cache())
        list(generate_tokens(model, [Row(PROMPTS[0], plan())], Sampling(6, 0.0), kept=kept))
        caches.append(kept)
    eager, compiled = caches
    assert compiled.tokens == eager.tokens
    for one, other in zip(compiled.cache.layers, eager.cache.layers, strict=True):
        assert torch.allclose(one.keys, other.keys, atol=1e-4)
        assert torch.allclose(one.values, other.values, atol=1e-4)


def test_a_row_that_has_ended_is_no_longer_counted(models: tuple[ModelWrapper, ModelWrapper]) -> None:
    model = models[1]
    rows = [Row(prompt, plan()) for prompt in PROMPTS[:2]]
    armed = arm_rows(model, rows)
    batch = Batch.at_start(*model.pad([row.prompt for row in rows]), model.new_cache())
    steps = EagerSteps(model, batch, armed, None, 8)
    steps.logits()
    before = armed[2].tally.settled().tokens.clone()
    compiled = steps.go_on([11, 12], live=[0, 1])
    assert isinstance(compiled, CompiledSteps)
    compiled.logits()
    compiled.go_on([13, 14], live=[1]).logits()
    compiled.close()
    assert (armed[2].tally.settled().tokens - before).tolist() == [1.0, 2.0]
