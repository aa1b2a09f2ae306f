"""Architectures: a tiny model of random weights for each of many, with the layer classes of transformers."""

from typing import Any

LAYERS, HIDDEN, WINDOW = 4, 32, 16
_USUAL = {
    "hidden_size": HIDDEN, "intermediate_size": 48, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "head_dim": 8,
}  # fmt: skip
_GPT2 = {"n_embd": HIDDEN, "n_layer": LAYERS, "n_head": 4, "n_positions": 256}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "num_local_experts": 4}
_SHARED = _USUAL | _EXPERTS | {"shared_expert_intermediate_size": 24}
_LATENT = _USUAL | {
    "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
    "num_key_value_heads": 4,
}  # fmt: skip
_ONE_IN_TWO = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"] * 2}
_LAST_ONE = {"sliding_window": WINDOW, "layer_types": ["sliding_attention"] * 3 + ["full_attention"]}
_LINEAR = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"] * 2,
}  # fmt: skip
WHOLE: dict[str, dict[str, Any]] = {
    "llama": _USUAL, "qwen2": _USUAL, "qwen3": _USUAL, "mistral": _USUAL, "phi": _USUAL, "phi3": _USUAL,
    "olmo": _USUAL, "olmo2": _USUAL, "smollm3": _USUAL, "stablelm": _USUAL, "granite": _USUAL, "starcoder2": _USUAL,
    "gpt_neox": _USUAL, "gemma": _USUAL, "cohere": _USUAL, "glm4": _USUAL, "nemotron": _USUAL, "ernie4_5": _USUAL,
    "seed_oss": _USUAL, "hunyuan_v1_dense": _USUAL, "gpt2": _GPT2, "gptj": _GPT2 | {"rotary_dim": 4},
    "opt": _USUAL | {"ffn_dim": 48, "word_embed_proj_dim": HIDDEN},
    "bloom": {"hidden_size": HIDDEN, "n_layer": LAYERS, "n_head": 4},
    "falcon": {key: value for key, value in _USUAL.items() if key != "head_dim"},
    "mixtral": _USUAL | _EXPERTS, "qwen2_moe": _SHARED, "qwen3_moe": _USUAL | _EXPERTS,
    "deepseek_v3": _LATENT | {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
                              "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
    "minicpm3": _LATENT,
}  # fmt: skip
"""Every layer keeps every token: what a chat has read is cut to what it goes on with."""
PARTIAL: dict[str, dict[str, Any]] = {
    "gemma2": _USUAL | {"sliding_window": WINDOW}, "gemma3_text": _USUAL | _ONE_IN_TWO, "cohere2": _USUAL | _LAST_ONE,
    "exaone4": _USUAL | _LAST_ONE, "gpt_oss": _USUAL | _EXPERTS | _ONE_IN_TWO, "qwen3_next": _SHARED | _LINEAR,
    "lfm2": _USUAL | {"layer_types": ["conv", "full_attention"] * 2},
    "recurrent_gemma": _USUAL | {"attention_window_size": WINDOW},
}  # fmt: skip
"""Some layers keep a window of tokens or a state."""
_MROPE = {"rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10_000.0}}
_TOWER = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip
_QWEN_TOWER = {"depth": LAYERS, "num_heads": 2}
WITH_PICTURES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gemma3": (_USUAL | _ONE_IN_TWO, _TOWER),
    "qwen2_vl": (_USUAL | _MROPE, _QWEN_TOWER | {"embed_dim": 16, "hidden_size": HIDDEN, "mlp_ratio": 2}),
    "qwen2_5_vl": (_USUAL | _MROPE, _QWEN_TOWER | {"hidden_size": 16, "out_hidden_size": HIDDEN,
                                                   "intermediate_size": 24, "fullatt_block_indexes": [1, 3]}),
    "llava": (_USUAL | {"model_type": "llama"}, _TOWER | {"model_type": "clip_vision_model"}),
    "mistral3": (_USUAL | {"model_type": "mistral"}, _TOWER | {"model_type": "pixtral", "head_dim": 8}),
    "internvl": (_USUAL | {"model_type": "qwen2"}, _TOWER | {"model_type": "internvl_vision", "image_size": [28, 28],
                                                             "patch_size": [14, 14]}),
}  # fmt: skip
"""Model type -> (text stack, vision tower with as many layers)."""
REFUSED: dict[str, dict[str, Any]] = {
    "mamba": {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "state_size": 4},
    "gemma3n_text": _USUAL | _ONE_IN_TWO | {"num_kv_shared_layers": 0, "hidden_size_per_layer_input": 8},
    "t5": {"d_model": HIDDEN, "num_layers": LAYERS, "num_heads": 4},
    "clip": {},
}


def config_of(name: str, tokenizer: Any) -> Any:
    """Return the configuration of a tiny model."""
    from transformers import AutoConfig

    special = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    text = {"vocab_size": len(tokenizer)} | special
    if name in WITH_PICTURES:
        stack, tower = WITH_PICTURES[name]
        return AutoConfig.for_model(name, text_config=stack | text, vision_config=tower)
    if name == "clip":
        return AutoConfig.for_model(name)
    return AutoConfig.for_model(name, **text, **(WHOLE | PARTIAL | REFUSED)[name])


def random_model(name: str, tokenizer: Any) -> Any:
    """Return a tiny model of random weights, the same each time."""
    import torch

    from persona_core.model.architecture import auto_class
    from persona_core.model.loading.quiet import quiet_transformers

    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = config_of(name, tokenizer)
        return auto_class(config).from_config(config).eval()
