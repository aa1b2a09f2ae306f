"""Tiny GGUF files: a model of random weights as llama.cpp lays it out, with a byte-level tokenizer of 260 tokens."""

from pathlib import Path
from typing import Any

import gguf
import numpy
import torch

N_LAYERS, WIDTH, HEADS, KV_HEADS, INNER, VOCABULARY, CONTEXT = 2, 64, 4, 2, 96, 260, 128
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}:{% endif %}"
Q8 = gguf.GGMLQuantizationType.Q8_0
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
"""transformers' names of a layer's modules, and GGUF's."""


def tiny_model(kind: str = "llama") -> Any:
    """Return a Llama or a Qwen2 of two layers with random weights; its output layer is not its embedding."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        kind, hidden_size=WIDTH, num_hidden_layers=N_LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS, intermediate_size=INNER, vocab_size=VOCABULARY,
        max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 5e4},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


def write_gguf(path: Path, model: Any, *, quantised: bool = False, **facts: Any) -> Path:
    """Write a model as llama.cpp does, its matrices as float32 or as Q8_0.

    `facts` change the file: `splitter`, `template`, `architecture`, `parts`; `tensors` replaces or adds some by name,
    and `lacks` leaves one out.
    """
    writer = gguf.GGUFWriter(path, facts.get("architecture", model.config.model_type))
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(N_LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(5e4)
    if "parts" in facts:
        writer.add_uint16("split.count", facts["parts"])
    _add_tokenizer(writer, facts.get("splitter", "smollm"), facts.get("template", TEMPLATE))
    for name, values in {**tensors_of(model), **facts.get("tensors", {})}.items():
        if name != facts.get("lacks"):
            _add_tensor(writer, name, values, quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors_of(model: Any) -> dict[str, Any]:
    """Return a model's weights by GGUF's names, in llama.cpp's order."""
    weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    tensors = {
        "token_embd.weight": weights["model.embed_tokens.weight"],
        "output.weight": weights["lm_head.weight"],
        "output_norm.weight": weights["model.norm.weight"],
    }
    for layer in range(N_LAYERS):
        for theirs, ours in _NAMES.items():
            for kind in ("weight", "bias"):
                if f"model.layers.{layer}.{theirs}.{kind}" in weights:
                    tensors[f"blk.{layer}.{ours}.{kind}"] = weights[f"model.layers.{layer}.{theirs}.{kind}"]
        if model.config.model_type == "llama":
            for name, heads in ((f"blk.{layer}.attn_q.weight", HEADS), (f"blk.{layer}.attn_k.weight", KV_HEADS)):
                tensors[name] = _interleaved(tensors[name], heads)
    return tensors


def as_quantised(model: Any) -> Any:
    """Return the model with the weights that are left of it after Q8_0."""
    kept = {name: _rounded(value) if value.ndim == 2 else value for name, value in model.state_dict().items()}
    copy = tiny_model(model.config.model_type)
    copy.load_state_dict(kept)
    return copy


def logits(model: Any) -> torch.Tensor:
    """Return the logits of some tokens."""
    with torch.inference_mode():
        values: torch.Tensor = model(torch.arange(3, 43).reshape(2, 20)).logits
    return values


def _add_tokenizer(writer: Any, splitter: str, template: str) -> None:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    tokens = [*letters, "<|end|>", "Ċ1", "12", "he"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitter)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token == "<|end|>" else 1 for token in tokens])
    writer.add_token_merges(["Ċ 1", "1 2", "h e"])
    writer.add_eos_token_id(256)
    if template:
        writer.add_chat_template(template)


def _interleaved(weights: Any, heads: int) -> Any:
    """Return rows in llama.cpp's order of a Llama, which pairs the halves of a head that rotate together."""
    halves = weights.reshape(heads, 2, weights.shape[0] // heads // 2, weights.shape[1])
    return numpy.ascontiguousarray(halves.swapaxes(1, 2).reshape(weights.shape))


def _add_tensor(writer: Any, name: str, values: Any, quantised: bool) -> None:
    if quantised and values.ndim == 2:
        writer.add_tensor(name, gguf.quants.quantize(values, Q8), raw_dtype=Q8)
    else:
        writer.add_tensor(name, values)


def _rounded(values: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(values.numpy(), Q8), Q8))
