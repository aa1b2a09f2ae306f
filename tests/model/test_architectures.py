"""Every architecture is steered, floored and read like the others, or refused by name: there is no third outcome."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch
from architectures import HIDDEN, LAYERS, PARTIAL, REFUSED, WHOLE, WINDOW, WITH_PICTURES, config_of, random_model

from persona_core import ModelWrapper, PersonaManager, SteeringEngine, get_config
from persona_core.errors import ModelError
from persona_core.model.architecture import auto_class
from persona_core.model.decoding import Sampling
from persona_core.model.gradient import reply_gradient
from persona_core.model.loading.load import LoadedModel
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import reply_log_probs
from persona_core.plugins.loading import load_plugins
from persona_core.testing.examples import example_axis, example_vector
from persona_core.testing.tiny_model import _tokenizer

SUPPORTED = [*WHOLE, *PARTIAL, *WITH_PICTURES]
STEERED, CAPPED, N_TOKENS = 1, (1, 2), 6
FLOOR = 3.0
"""What the floor is raised by: above every projection, so that every token is lifted."""
GREEDY = Sampling(N_TOKENS, 0.0, 1.0)
LONG = "Why is the sea blue and the fire red? "
ROWS = [list(range(5, 5 + 2 * WINDOW)), list(range(40, 52))]
pytestmark = pytest.mark.slow
every_architecture = pytest.mark.parametrize("name", SUPPORTED)


@cache
def plugins():
    return load_plugins(installed=[])


@cache
def tokenizer():
    return _tokenizer()


@cache
def engine_of(name: str, dtype: torch.dtype = torch.float32) -> SteeringEngine:
    """Return an engine on a tiny model, with a persona and both axes; its replies never end early."""
    config = get_config(Path(mkdtemp()), model="tiny", plugins=plugins()).replace(
        {"extraction.target_layers": "1", "steering.capping_layers": "1,2", "model.device": "cpu", "model.context": 250}
    )
    loaded = LoadedModel(random_model(name, tokenizer()).to(dtype), tokenizer(), "tiny", "tiny")
    model = ModelWrapper(config, plugins=plugins(), loaded=loaded)
    vars(model)["end_tokens"] = frozenset()
    manager = PersonaManager(config, plugins=plugins())
    sage = example_vector("sage", LAYERS, HIDDEN)
    manager.store.save(sage.with_header(model=model.identity, target_layers=(STEERED,)))
    for name_of_axis in ("safety", "assistant"):
        axis = example_axis(name_of_axis, LAYERS, HIDDEN).with_header(model=model.identity)
        manager.store.save(replace(axis, quantiles=axis.quantiles + FLOOR))
    return SteeringEngine(model, manager)


def blocks(model: ModelWrapper):
    return model._model.get_submodule(model._layers_path)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


@every_architecture
def test_what_is_captured_is_what_plain_hooks_see(name: str) -> None:
    model = engine_of(name).model
    ids, mask = model.pad(ROWS)
    captured = model.capture(ids, mask, lambda _, hidden: hidden, range(LAYERS))
    seen: list[torch.Tensor] = []

    def keep(_, __, output) -> None:
        seen.append((output[0] if isinstance(output, tuple) else output).detach())

    hooks = [block.register_forward_hook(keep) for block in blocks(model)]
    with torch.inference_mode():
        places = (mask.long().cumsum(1) - 1).clamp_min(0)
        model._model(input_ids=ids, attention_mask=mask.long(), position_ids=places)
    for hook in hooks:
        hook.remove()
    assert [rows.shape for rows in captured] == [(2, 2 * WINDOW, HIDDEN)] * LAYERS
    for ours, theirs in zip(captured, seen, strict=True):
        assert torch.allclose(ours[mask], theirs[mask], atol=1e-5)


@every_architecture
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_next_block_gets_the_steered_stream_with_the_floor_held(name: str, dtype: torch.dtype) -> None:
    engine = engine_of(name, dtype)
    inputs: dict[int, list[torch.Tensor]] = {layer: [] for layer in CAPPED}

    def keep(layer: int):
        return lambda _, args, kwargs: inputs[layer].append((args[0] if args else kwargs["hidden_states"]).detach())

    hooks = [
        blocks(engine.model)[layer + 1].register_forward_pre_hook(keep(layer), with_kwargs=True) for layer in CAPPED
    ]
    reply = engine.generate([LONG], "sage", sampling=GREEDY, guidance=0)[0]
    for hook in hooks:
        hook.remove()
    plan = engine.plan(engine.steering("sage", guidance=0))
    bounds = {clamp.layer: clamp for clamp in plan.clamps}
    assert set(bounds) == set(CAPPED)
    for layer, streams in inputs.items():
        stream = torch.cat([stream[0] for stream in streams])[1:].float()
        assert len(stream) == reply.receipt.prompt_tokens + N_TOKENS - 2
        assert float((stream @ bounds[layer].unit_direction).min()) >= bounds[layer].low - 1e-5
    assert reply.receipt.floor is not None
    assert reply.receipt.floor.hits > N_TOKENS


@every_architecture
def test_unsteered_is_what_transformers_generates(name: str) -> None:
    engine, prompt = engine_of(name), engine_of(name).model.encode([user(LONG)])
    with torch.inference_mode():
        whole = engine.model._model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
            max_new_tokens=N_TOKENS, min_new_tokens=N_TOKENS, eos_token_id=None,
        )  # fmt: skip
    theirs = engine.model.decode(whole[0, len(prompt) :].tolist())
    assert engine.generate([LONG], None, sampling=GREEDY)[0].text == theirs


@every_architecture
def test_a_later_reply_of_a_chat_is_as_in_a_new_one(name: str) -> None:
    engine = engine_of(name)
    first = [user(LONG)]
    said = "".join(engine.stream(first, "sage", sampling=GREEDY))
    follow_ups = (
        [*first, {"role": "assistant", "content": said}, user("And now?")],
        [*first, {"role": "assistant", "content": "something else"}, user(LONG)],
        first,
    )
    for messages in follow_ups:
        new = SteeringEngine(engine.model, engine.manager)
        fresh = "".join(new.stream(messages, "sage", sampling=GREEDY))
        assert "".join(engine.stream(messages, "sage", sampling=GREEDY)) == fresh


@every_architecture
def test_a_row_of_a_batch_is_as_it_would_be_alone(name: str) -> None:
    engine = engine_of(name)
    questions = [LONG, "Hi", LONG + LONG]
    together = [reply.text for reply in engine.generate(questions, ["sage", None, "sage"], sampling=GREEDY)]
    alone = [
        engine.generate([question], persona, sampling=GREEDY)[0].text
        for question, persona in zip(questions, ["sage", None, "sage"], strict=True)
    ]
    assert together == alone
    replies = [row[:8] for row in ROWS]
    batch = reply_log_probs(engine.model, ROWS, replies)
    for row, reply, log_prob in zip(ROWS, replies, batch, strict=True):
        assert torch.allclose(reply_log_probs(engine.model, [row], [reply])[0], log_prob, atol=1e-4)


@every_architecture
def test_the_gradient_reaches_every_layer_but_none_is_nan(name: str) -> None:
    model = engine_of(name).model
    prompt = model.encode([user("Hi")])
    rollout = Rollout((user("Hi"),), "x", len(prompt), "persona", (*prompt, 5, 6, 7))
    gradient = reply_gradient(model, [rollout])
    assert bool(torch.isfinite(gradient).all())
    assert bool((gradient.norm(dim=-1) > 0).all())


@pytest.mark.parametrize("name", WITH_PICTURES)
def test_of_a_model_that_reads_pictures_the_text_layers_are_steered(name: str) -> None:
    model = engine_of(name).model
    assert model._layers_path == "model.language_model.layers"
    others = [path for path, module in model._model.named_modules() if "steer" in dict(module.named_children())]
    assert others == [f"model.language_model.layers.{layer}" for layer in range(LAYERS)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mamba", "'mamba' has no attention but a recurrent state"),
        ("gemma3n_text", "the layers of 'gemma3n_text' pass on 4 streams"),
        ("t5", "'t5' is an encoder-decoder"),
        ("clip", "transformers has no text model for 'clip'"),
    ],
)
def test_what_cannot_be_steered_is_refused_by_name_before_it_is_read(name: str, reason: str) -> None:
    assert name in REFUSED
    with pytest.raises(ModelError, match=reason):
        auto_class(config_of(name, tokenizer()))


def test_a_folder_of_a_model_that_reads_pictures_loads_with_its_text_head(tmp_path: Path) -> None:
    random_model("qwen2_vl", tokenizer()).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    config = get_config(tmp_path / "home", model=str(tmp_path), plugins=plugins()).replace({"model.device": "cpu"})
    model = ModelWrapper(config, plugins=plugins())
    assert type(model._model).__name__ == "Qwen2VLForConditionalGeneration"
    assert model._layers_path == "model.language_model.layers"


def test_a_folder_that_cannot_be_steered_is_refused_before_its_weights_are_read(tmp_path: Path) -> None:
    config_of("t5", tokenizer()).save_pretrained(tmp_path)
    config = get_config(tmp_path / "home", model=str(tmp_path), plugins=plugins()).replace({"model.device": "cpu"})
    with pytest.raises(ModelError, match="'t5' is an encoder-decoder"):
        ModelWrapper(config, plugins=plugins())


def test_two_stacks_of_as_many_blocks_are_refused() -> None:
    model = random_model("llama", tokenizer())
    model.model.other = torch.nn.ModuleList(list(model.model.layers))
    with pytest.raises(ModelError, match="has 2 list of 4 decoder layers in its text stack LlamaModel: exactly one"):
        ModelWrapper(engine_of("llama").config, loaded=LoadedModel(model, tokenizer(), "two", "two"))
