"""Weights of GGUF files are written one at a time, and are those that transformers reads from the file as a whole."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import load_file
from tiny_gguf import as_quantised, logits, tensors_of, tiny_model, write_gguf

from persona_core.errors import ModelError
from persona_core.model.loading.gguf import (
    _WHOLE,
    Dtype,
    _save_model,
    _save_whole_model,
    conversion_needs,
    convert_gguf,
    reading_gguf,
)
from persona_core.model.loading.gguf_weights import ONE_TO_ONE


def converted(gguf: Path, dtype: Dtype = "float32") -> tuple[Any, dict[str, torch.Tensor]]:
    """Convert a file; return the model as transformers loads it in float32, and the weights on disk."""
    from transformers import AutoModelForCausalLM

    folder = gguf.with_suffix("")
    convert_gguf(gguf, folder, {}, dtype)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), load_file(folder / "model.safetensors")


def rounded_copy(model: Any) -> Any:
    """Return the model with its matrices rounded to bfloat16."""
    copy = tiny_model(model.config.model_type)
    kept = {name: w.bfloat16().float() if w.ndim > 1 else w for name, w in model.state_dict().items()}
    copy.load_state_dict(kept)
    return copy


def tied_copy(model: Any) -> Any:
    """Return the model with its output layer for its embedding too."""
    copy = tiny_model(model.config.model_type)
    copy.load_state_dict(model.state_dict() | {"model.embed_tokens.weight": model.lm_head.weight})
    return copy


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("quantised", [False, True])
def test_the_folder_is_byte_for_byte_what_transformers_saves_of_the_file(
    tmp_path: Path, kind: str, quantised: bool
) -> None:
    gguf = write_gguf(tmp_path / "tiny.gguf", tiny_model(kind), quantised=quantised)
    for save, name in ((_save_model, "ours"), (_save_whole_model, "theirs")):
        with reading_gguf(gguf):
            save(gguf, tmp_path / name, "float32")
    files = {path.name: path.read_bytes() for path in (tmp_path / "theirs").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "ours").iterdir()} == files
    assert len(files) == 3


def test_matrices_are_rounded_to_bfloat16_and_vectors_are_not(tmp_path: Path) -> None:
    model = tiny_model("qwen2")
    loaded, stored = converted(write_gguf(tmp_path / "tiny.gguf", model), "bfloat16")
    assert {(w.ndim > 1, w.dtype) for w in stored.values()} == {(True, torch.bfloat16), (False, torch.float32)}
    assert torch.equal(logits(loaded), logits(rounded_copy(model)))
    assert not torch.equal(logits(loaded), logits(model))


def test_two_copies_of_the_embedding_become_one_the_better(tmp_path: Path) -> None:
    model = tiny_model("qwen2")
    rough = as_quantised(model).lm_head.weight.detach().half().numpy()
    gguf = write_gguf(tmp_path / "tiny.gguf", model, tensors={"token_embd.weight": rough})
    loaded, stored = converted(gguf)
    assert "lm_head.weight" not in stored
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    assert torch.equal(stored["model.embed_tokens.weight"], model.lm_head.weight)
    assert torch.allclose(logits(loaded), logits(tied_copy(model)), atol=1e-5)


def test_an_embedding_with_more_bits_than_its_copy_is_the_one_that_stays(tmp_path: Path) -> None:
    model = tied_copy(tiny_model("qwen2"))
    rough = model.lm_head.weight.detach().half().numpy()
    _, stored = converted(write_gguf(tmp_path / "tiny.gguf", model, tensors={"output.weight": rough}))
    assert torch.equal(stored["model.embed_tokens.weight"], model.lm_head.weight)


def test_an_output_layer_that_is_no_copy_stays(tmp_path: Path) -> None:
    model = tiny_model("qwen2")
    loaded, stored = converted(write_gguf(tmp_path / "tiny.gguf", model))
    assert torch.equal(stored["lm_head.weight"], model.lm_head.weight)
    assert not loaded.config.tie_word_embeddings


@pytest.mark.parametrize("name", ["blk.1.attn_q.bias", "blk.0.attn_gate.weight"])
def test_a_tensor_that_the_model_has_no_weight_for_is_refused(tmp_path: Path, name: str) -> None:
    extra = {name: numpy.ones(64, numpy.float32)}
    gguf = write_gguf(tmp_path / "tiny.gguf", tiny_model("llama"), tensors=extra)
    with pytest.raises(ModelError, match=rf"tiny\.gguf holds 1 tensors .* such as {name}: use the model's folder"):
        convert_gguf(gguf, tmp_path / "model", {})


def test_tables_of_rotary_positions_are_no_weights(tmp_path: Path) -> None:
    table = {"rope_freqs.weight": numpy.ones(8, numpy.float32)}
    model = tiny_model("llama")
    loaded, _ = converted(write_gguf(tmp_path / "tiny.gguf", model, tensors=table))
    assert torch.allclose(logits(loaded), logits(model), atol=1e-5)


def test_a_weight_of_another_shape_is_refused_and_leaves_no_weights(tmp_path: Path) -> None:
    narrow = {"blk.1.ffn_up.weight": tensors_of(tiny_model())["blk.1.ffn_up.weight"][:64]}
    gguf = write_gguf(tmp_path / "tiny.gguf", tiny_model(), tensors=narrow)
    with pytest.raises(
        ModelError, match=r"layers\.1\.mlp\.up_proj\.weight has the shape \(64, 64\) and not \(96, 64\)"
    ):
        convert_gguf(gguf, tmp_path / "model", {})
    assert not (tmp_path / "model" / "model.safetensors").exists()


@pytest.mark.parametrize(("dtype", "each"), [("float32", 4), ("bfloat16", 2)])
def test_the_needs_are_the_weights_on_disk_and_the_largest_in_memory(tmp_path: Path, dtype: Dtype, each: int) -> None:
    model = tiny_model()
    gguf = write_gguf(tmp_path / "tiny.gguf", model)
    needs = conversion_needs(gguf, dtype)
    _, stored = converted(gguf, dtype)
    size = sum(w.numel() * (each if w.ndim > 1 else 4) for w in stored.values())
    assert size == sum(w.nbytes for w in stored.values())
    assert needs.disk - size == 50_000_000
    assert needs.memory - 4 * model.lm_head.weight.numel() == 800_000_000
    assert str(needs) == "0.1 GB of disk and 0.8 GB of memory"


def test_an_architecture_that_merges_tensors_needs_memory_for_all_of_them(tmp_path: Path) -> None:
    model = tiny_model()
    gguf = write_gguf(tmp_path / "tiny.gguf", model, architecture="gpt2")
    assert "gpt2" not in ONE_TO_ONE
    n = sum(weight.numel() for weight in model.state_dict().values())
    assert conversion_needs(gguf).memory == int(_WHOLE * 4 * n)
