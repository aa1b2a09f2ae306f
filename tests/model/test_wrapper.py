"""The wrapper runs, reads and steers as the plain model would, and leaves modules and process as it found them."""

import subprocess
import sys

import pytest
import torch

from persona_core import ModelWrapper, SteeringEngine
from persona_core.base.messages import question_messages
from persona_core.errors import ModelError, PromptError
from persona_core.model.loading.load import LoadedModel

SEQUENCES = [[1, 5, 9, 3], [1, 7], [1, 2, 3, 4, 5, 6, 7]]


@pytest.fixture
def model(tiny_engine: SteeringEngine) -> ModelWrapper:
    """The small model."""
    return tiny_engine.model


def hidden_states(model: ModelWrapper, tokens: list[int]) -> list[torch.Tensor]:
    """Return the stream after each block but the last, by transformers alone."""
    with torch.inference_mode():
        states = model._model(torch.tensor([tokens]), output_hidden_states=True).hidden_states
    return [state[0] for state in states[1:-1]]


@pytest.mark.slow
def test_the_compiler_can_be_loaded_after_the_wrapper() -> None:
    code = (
        "import persona_core.model.wrapper, torch\n"
        "assert not hasattr(object, 'save')\n"
        "torch.compile(torch.nn.Linear(2, 2))\n"
        "import torch._inductor.dtype_propagation"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_a_forward_of_padded_rows_has_the_logits_of_each_row_alone(model: ModelWrapper) -> None:
    ids, mask = model.pad(SEQUENCES)
    logits = model.forward(ids, mask=mask)[:, -1]
    with torch.inference_mode():
        alone = torch.stack([model._model(torch.tensor([tokens])).logits[0, -1] for tokens in SEQUENCES])
    assert torch.allclose(logits, alone, atol=1e-4)


def test_a_forward_keeps_as_many_positions_as_are_asked_for(model: ModelWrapper) -> None:
    ids, mask = model.pad(SEQUENCES)
    assert model.forward(ids, mask=mask, keep_logits=3).shape[:2] == (3, 3)


def test_a_forward_with_a_cache_goes_on_where_the_last_stood(model: ModelWrapper) -> None:
    cache = model.new_cache()
    model.forward(torch.tensor([[1, 2, 3]]), cache=cache)
    split = model.forward(torch.tensor([[4, 5]]), cache=cache)
    whole = model.forward(torch.tensor([[1, 2, 3, 4, 5]]))
    assert torch.allclose(split, whole, atol=1e-4)


def test_a_forward_that_fails_leaves_every_layer_idle(model: ModelWrapper) -> None:
    def fail(stream: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError

    ids = torch.tensor([[1, 2, 3]])
    before = model.forward(ids)
    with pytest.raises(ZeroDivisionError):
        model.forward(ids, armed={0: lambda stream: stream + 1, 2: fail})
    assert torch.equal(model.forward(ids), before)


def test_a_layer_is_armed_for_one_forward_only(model: ModelWrapper) -> None:
    ids = torch.tensor([[1, 2, 3]])
    before = model.forward(ids)
    assert not torch.allclose(model.forward(ids, armed={2: lambda stream: stream + 1}), before)
    assert torch.equal(model.forward(ids), before)


def test_only_a_differentiable_forward_keeps_gradients(model: ModelWrapper) -> None:
    ids, leaf = torch.tensor([[1, 2, 3]]), torch.zeros(model.identity.hidden_size, requires_grad=True)
    armed = {2: lambda stream: stream + leaf}
    assert not model.forward(ids, armed=armed).requires_grad
    model.forward(ids, armed=armed, differentiable=True).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() > 0


def test_a_capture_is_the_stream_after_each_block(model: ModelWrapper) -> None:
    ids, mask = model.pad([SEQUENCES[0]])
    captured = model.capture(ids, mask, lambda layer, stream: stream[0].clone(), [0, 3])
    plain = hidden_states(model, SEQUENCES[0])
    for layer, stream in zip((0, 3), captured, strict=True):
        assert torch.allclose(stream, plain[layer], atol=1e-5)


def test_a_capture_reduces_each_layer_by_its_number(model: ModelWrapper) -> None:
    ids, mask = model.pad([SEQUENCES[0]])
    captured = model.capture(ids, mask, lambda layer, stream: stream.mean() * 0 + layer, [1, 4])
    assert [float(value) for value in captured] == [1.0, 4.0]


def test_a_conversation_is_encoded_up_to_where_the_reply_starts(model: ModelWrapper) -> None:
    tokens = model.encode(question_messages("What is fire?", "You are a sage."))
    text = model.tokenizer.decode(tokens)
    assert text == "system: You are a sage.<|end|>user: What is fire?<|end|>assistant: "
    assert model.decode(tokens) == "system: You are a sage.user: What is fire?assistant: "


def test_a_conversation_longer_than_the_context_is_refused_and_still_counted(model: ModelWrapper) -> None:
    long = question_messages("fire " * model.context_length)
    assert model.n_tokens(long) > model.context_length
    with pytest.raises(PromptError, match=r"the context 512: shorten it, or set model\.context up to 2048"):
        model.encode(long)


def test_a_prompt_that_fills_the_context_leaves_no_room_for_a_reply(
    model: ModelWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = question_messages("Why?")
    n_tokens = model.n_tokens(messages)
    monkeypatch.setitem(vars(model), "context_length", n_tokens + 1)
    assert len(model.encode(messages)) == n_tokens
    monkeypatch.setitem(vars(model), "context_length", n_tokens)
    with pytest.raises(PromptError, match=f"the prompt has {n_tokens} tokens"):
        model.encode(messages)


def test_the_layers_are_those_of_the_configuration(model: ModelWrapper) -> None:
    assert (model.n_layers, model.target_layers, model.capping_layers) == (6, (2, 3), (4, 5))


@pytest.mark.parametrize(("ends", "expected"), [(7, {7, 0}), ([7, 8], {7, 8, 0}), (None, {0})])
def test_a_reply_ends_with_the_tokens_of_the_model_and_of_its_tokenizer(
    model: ModelWrapper, monkeypatch: pytest.MonkeyPatch, ends: object, expected: set[int]
) -> None:
    monkeypatch.setattr(model._model.generation_config, "eos_token_id", ends)
    monkeypatch.delitem(vars(model), "end_tokens")
    assert model.tokenizer.eos_token_id == 0
    assert model.end_tokens == expected


def test_a_model_without_decoder_layers_is_refused(tiny_engine: SteeringEngine) -> None:
    class Blind(torch.nn.Linear):
        """No language model."""

        config = tiny_engine.model._model.config

    loaded = LoadedModel(Blind(2, 2), tiny_engine.model.tokenizer, "blind", "blind")
    with pytest.raises(ModelError, match="Blind has no list of 6 decoder layers"):
        ModelWrapper(tiny_engine.config, loaded=loaded)
