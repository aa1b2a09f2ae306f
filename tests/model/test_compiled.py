"""The compiled copy says what the eager loop says, counts the same, holds the floor, and is compiled once."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from persona_core import ModelWrapper, SteeringEngine, get_config
from persona_core.base.messages import question_messages
from persona_core.engine.receipt import steering_fields
from persona_core.errors import SafetyUnavailable
from persona_core.model.compiled import Compilation, CompiledModel, wants_compiling
from persona_core.model.decoding import Row, Sampling, arm_rows, generate_tokens
from persona_core.model.loading.load import LoadedModel
from persona_core.model.steps import KeptCache
from persona_core.settings.config import ModelSettings
from persona_core.steering.plan import UNSTEERED, AddDirection, ClampProjection, ProbeProjection, SteeringPlan

HIDDEN, LAYERS = 32, 4
PROMPTS = ([1, 5, 9, 3], [1, 7], [1, 2, 3, 4, 5, 6, 7])


def tiny(folder: Path, tokenizer: object, dtype: torch.dtype, **settings: object) -> ModelWrapper:
    """Return a small model of random weights whose decoding is, or is not, compiled."""
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=97, hidden_size=HIDDEN, intermediate_size=48, num_hidden_layers=LAYERS, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, eos_token_id=96,
    )  # fmt: skip
    config = get_config(folder, model="smollm2").replace({f"model.{key}": value for key, value in settings.items()})
    weights = LlamaForCausalLM(shape).to(dtype).eval()
    return ModelWrapper(config, loaded=LoadedModel(weights, tokenizer, "tiny", "tiny"))


def plan(seed: int, strength: float) -> SteeringPlan:
    random = torch.Generator().manual_seed(seed)

    def direction() -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(HIDDEN, generator=random), dim=0)

    return SteeringPlan(
        (AddDirection(1, strength * direction()), AddDirection(2, strength * direction())),
        (ClampProjection(2, direction(), low=0.1), ClampProjection(3, direction(), low=0.05)),
        (ProbeProjection(3, direction()),),
    )


def oblique(seed: int, strength: float) -> SteeringPlan:
    """Return a plan with three bounds on two directions of one layer, at 45 degrees, one of them above as well."""
    one, other = (clamp.unit_direction for clamp in plan(seed, strength).clamps)
    other = other - (other @ one) * one
    between = torch.nn.functional.normalize(one + other / other.norm(), dim=0)
    clamps = (
        ClampProjection(2, one, low=0.3),
        ClampProjection(2, between, low=0.2, high=0.4),
        ClampProjection(2, one, low=0.1),
    )
    audits = (ClampProjection(2, other / other.norm(), low=0.5, name="audited", audit=True),
              ClampProjection(3, one, low=-1.0, high=0.1, name="band", audit=True))  # fmt: skip
    return replace(plan(seed, strength), clamps=clamps, audits=audits)


def reply(model: ModelWrapper, plans: Sequence[SteeringPlan], sampling: Sampling) -> tuple[list[list[int]], list[dict]]:  # type: ignore[type-arg]
    rows = [Row(prompt, row_plan, seed) for seed, (prompt, row_plan) in enumerate(zip(PROMPTS, plans, strict=False))]
    armed = arm_rows(model, rows)
    for _ in generate_tokens(model, rows, sampling, armed=armed):
        pass
    return [row.tokens for row in rows], [steering_fields(row.plan, armed, index) for index, row in enumerate(rows)]


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def pair(request, tmp_path_factory, model):  # type: ignore[no-untyped-def]
    """An eager and a compiled model of the same weights."""
    folder = tmp_path_factory.mktemp("tiny")
    return tuple(tiny(folder, model.tokenizer, request.param, compile=how) for how in ("off", "on"))


def close(compiled: dict, eager: dict) -> None:  # type: ignore[type-arg]
    assert compiled["steered_tokens"] == eager["steered_tokens"]
    assert compiled["relative_change"] == pytest.approx(eager["relative_change"], rel=1e-3)
    assert compiled["assistant_projection"] == pytest.approx(eager["assistant_projection"], abs=1e-3)
    assert compiled["floor"].hits == eager["floor"].hits
    assert {name: audit.hits for name, audit in compiled["audits"].items()} == {
        name: audit.hits for name, audit in eager["audits"].items()
    }
    for name, audit in compiled["audits"].items():
        assert audit.farthest == pytest.approx(eager["audits"][name].farthest, abs=1e-3)
    assert compiled["floor"].lowest_before == pytest.approx(eager["floor"].lowest_before, abs=1e-3)


def same_as_eager(  # type: ignore[type-arg]
    pair: tuple[ModelWrapper, ModelWrapper], plans: Sequence[SteeringPlan], sampling: Sampling
) -> list[dict]:
    """Compare both models' replies, and return what the compiled one's receipts say."""
    (eager, eager_fields), (compiled, fields) = (reply(model, plans, sampling) for model in pair)
    for one, other in zip(fields, eager_fields, strict=True):
        assert one["floor"].lowest_after >= 0
        assert one["plan"] == other["plan"]
    if pair[0].dtype == torch.float32:  # in bfloat16 what a compiler fuses rounds less often, and tokens part ways
        assert compiled == eager
        for one, other in zip(fields, eager_fields, strict=True):
            close(one, other)
    return fields


@pytest.mark.parametrize(("compile_setting", "eager_steps"), [("auto", 511), ("on", 0)])
def test_decoding_goes_over_to_the_copy_once_it_pays_and_says_so_once(compile_setting: str, eager_steps: int) -> None:
    lines: list[str] = []
    compiled = CompiledModel(torch.nn.Linear(2, 2))
    compilation = Compilation(compiled, ModelSettings(compile=compile_setting), lines.append)  # type: ignore[arg-type]
    assert [compilation.compiled_after_step() for _ in range(eager_steps)] == [None] * eager_steps
    assert lines == []
    assert compilation.compiled_after_step() is compilation.compiled_after_step() is compiled
    assert len(lines) == 1
    assert compilation.n_steps == eager_steps + 2


def test_a_model_without_a_copy_runs_eagerly_for_ever_and_counts_on() -> None:
    compilation = Compilation(None, ModelSettings(compile="on"), pytest.fail)
    assert [compilation.compiled_after_step() for _ in range(600)] == [None] * 600
    assert compilation.n_steps == 600


@pytest.mark.parametrize(
    ("compile_setting", "dtype", "device", "compiles"),
    [
        ("auto", "auto", "cuda", True),
        ("auto", "nf4", "cuda", False),
        ("auto", "auto", "cpu", False),
        ("on", "nf4", "cpu", True),
        ("off", "auto", "cuda", False),
    ],
)
def test_what_is_compiled_follows_the_configuration_and_the_device(
    compile_setting: str, dtype: str, device: str, compiles: bool
) -> None:
    settings = ModelSettings(compile=compile_setting, dtype=dtype)  # type: ignore[arg-type]
    assert wants_compiling(settings, torch.device(device)) is compiles


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("n_rows", [1, 3])
def test_tokens_and_receipts_are_those_of_the_eager_loop(pair, temperature: float, n_rows: int) -> None:  # type: ignore[no-untyped-def]
    same_as_eager(pair, [plan(seed, 0.5 + seed) for seed in range(n_rows)], Sampling(24, temperature, 1.0))


def test_bounds_at_an_angle_are_held_as_in_the_eager_loop(pair) -> None:  # type: ignore[no-untyped-def]
    fields = same_as_eager(pair, [oblique(seed, 0.5 + seed) for seed in range(3)], Sampling(24, 0.0))
    assert all(audit.hits > 0 for receipt in fields for audit in receipt["audits"].values())


def test_another_strength_and_another_persona_compile_nothing_anew(pair) -> None:  # type: ignore[no-untyped-def]
    _, compiled = pair
    for first in (UNSTEERED, plan(0, 1.0)):
        reply(compiled, [first], Sampling(6, 0.0))
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    texts = {
        tuple(reply(compiled, [plan(seed, strength)], Sampling(6, 0.0))[0][0])
        for seed, strength in ((0, 4.0), (5, 4.0))
    }
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before
    assert len(texts) == 2


def test_unsteered_rows_are_those_of_the_eager_loop(pair) -> None:  # type: ignore[no-untyped-def]
    (eager, _), (compiled, _) = (reply(model, [UNSTEERED] * 3, Sampling(24, 0.0)) for model in pair)
    same = sum(one == other for row in zip(compiled, eager, strict=True) for one, other in zip(*row, strict=False))
    assert same == 72 if pair[0].dtype == torch.float32 else same >= 24


def test_a_floor_that_does_not_hold_stops_the_reply(pair) -> None:  # type: ignore[no-untyped-def]
    _, compiled = pair
    steps = generate_tokens(compiled, [Row(PROMPTS[0], plan(0, 1.0))], Sampling(8, 0.0))
    next(steps)
    next(steps)
    graph = next(reversed(compiled.compilation._compiled._graphs.values()))
    graph.steers[2].low.fill_(torch.nan)
    with pytest.raises(SafetyUnavailable, match="could not be held"):
        list(steps)


class TestWithTheModel:
    """The embedded model; the compiled copy's code as it is, uncompiled, which is what a compilation is made from."""

    @pytest.fixture(scope="class")
    def engines(self, tmp_path_factory: pytest.TempPathFactory, engine: SteeringEngine) -> tuple[SteeringEngine, ...]:
        config = get_config(tmp_path_factory.mktemp("compiled"), model="smollm2").replace({"model.compile": "on"})
        model = ModelWrapper(config)
        compiled = model.compilation._compiled
        compiled._step = compiled._forward  # type: ignore[union-attr]
        return engine, SteeringEngine(model)

    def test_a_chat_goes_on_from_what_the_compiled_copy_has_said(self, engines: tuple[SteeringEngine, ...]) -> None:
        said, receipts = [], []
        for one_engine in engines:
            messages: list[dict[str, str]] = []
            for question in ("What makes a good life?", "And a bad one?"):
                messages.append({"role": "user", "content": question})
                stream = one_engine.stream(messages, "sage", sampling=Sampling(24, 0.0))
                messages.append({"role": "assistant", "content": "".join(stream)})
            said.append(messages)
            receipts.append(stream.reply.receipt)
        assert said[0] == said[1]
        assert receipts[0].reused_tokens == receipts[1].reused_tokens > 20
        assert receipts[0].floor is not None
        assert receipts[1].floor == receipts[0].floor

    def test_rows_that_end_early_are_not_counted_on(self, engines: tuple[SteeringEngine, ...]) -> None:
        prompts = ["Say hi.", "What is fire?", "Count to three."]
        personas = ["sage", "trickster", None]
        eager, compiled = (one_engine.generate(prompts, personas, sampling=Sampling(48, 0.0)) for one_engine in engines)
        assert [reply.text for reply in compiled] == [reply.text for reply in eager]
        for one, other in zip(compiled, eager, strict=True):
            assert set(one.projections) == set(other.projections)
            for name, values in one.projections.items():
                assert values == pytest.approx(other.projections[name], abs=1e-2)
        assert [reply.receipt.steered_tokens for reply in compiled] == [reply.receipt.steered_tokens for reply in eager]
        assert [reply.receipt.finish for reply in compiled] == [reply.receipt.finish for reply in eager]

    def test_closing_early_keeps_a_cache_that_can_be_gone_on_with(self, engines: tuple[SteeringEngine, ...]) -> None:
        texts = []
        for one_engine in engines:
            stream = one_engine.stream("What is fire?", "sage", sampling=Sampling(40, 0.0))
            pieces = iter(stream)
            heard = [next(pieces) for _ in range(6)]
            pieces.close()  # type: ignore[attr-defined]
            again = one_engine.stream("What is fire?", "sage", sampling=Sampling(12, 0.0))
            texts.append(
                (heard, stream.reply.receipt.steered_tokens, "".join(again), again.reply.receipt.reused_tokens)
            )
        assert texts[0] == texts[1]

    def test_a_guided_reply_is_the_same_and_leaves_both_lanes_in_the_cache(
        self, engines: tuple[SteeringEngine, ...]
    ) -> None:
        plan = replace(engines[0].plan(engines[0].steering("sage")), guidance=3.0)
        said, caches = [], []
        for one_engine in engines:
            model = one_engine.model
            row, kept = Row(model.encode(question_messages("What is fire?")), plan), KeptCache([], model.new_cache())
            for _ in generate_tokens(model, [row], Sampling(12, 0.0), kept=kept):
                pass
            said.append(row.tokens)
            caches.append(kept)
        assert said[0] == said[1]
        assert caches[0].tokens == caches[1].tokens
        for eager, compiled in zip(*(kept.cache.layers for kept in caches), strict=True):
            assert len(eager.keys) == 2
            torch.testing.assert_close(eager.keys, compiled.keys, atol=1e-3, rtol=1e-3)
