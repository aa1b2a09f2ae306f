"""Architecture: finds what is steered, the decoder layers of a model's text stack, and refuses what has none.

Layers are found by what they are and never by their number alone: in a model that reads pictures, the vision tower may
have as many.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from persona_core.errors import ModelError

_HOW = "use a decoder-only language model with attention, such as those of the Llama, Qwen, Gemma and Mistral families"


def auto_class(config: Any) -> Any:
    """Return the class of transformers that loads a model of this configuration with a head that predicts text.

    Raises `ModelError` where its layers cannot be steered, before any weight is read.
    """
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto import modeling_auto

    check_steerable(config)
    if type(config) in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING:
        return AutoModelForCausalLM
    if type(config) in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        return AutoModelForImageTextToText
    raise ModelError(f"transformers has no text model for {config.model_type!r} ({type(config).__name__}): {_HOW}")


def check_steerable(config: Any) -> None:
    """Raise `ModelError` for an architecture whose layers do not pass one stream on, or keep no keys and values."""
    kind, text = config.model_type, config.get_text_config()
    if config.is_encoder_decoder:
        raise ModelError(f"{kind!r} is an encoder-decoder, which is not supported: {_HOW}")
    if getattr(text, "altup_num_inputs", 1) > 1:
        streams = text.altup_num_inputs
        raise ModelError(f"the layers of {kind!r} pass on {streams} streams, and steering needs one: {_HOW}")
    if _all_recurrent(text):
        raise ModelError(f"{kind!r} has no attention but a recurrent state, which is not supported: {_HOW}")


def _all_recurrent(text_config: Any) -> bool:
    """Tell whether no layer has keys and values: padding would then change the state that rows are read from."""
    from transformers.cache_utils import DynamicCache

    layers = DynamicCache(config=text_config).layers
    return bool(layers) and all(type(layer).__name__ == "LinearAttentionLayer" for layer in layers)


def decoder_layers(model: Any) -> tuple[str, nn.ModuleList]:
    """Return the path and the list of the text stack's decoder layers; raise `ModelError` where they cannot be told."""
    n_layers = model.config.get_text_config().num_hidden_layers
    stack = model.get_decoder() if hasattr(model, "get_decoder") else model
    found = [module for module in stack.modules() if isinstance(module, nn.ModuleList) and len(module) == n_layers]
    if len(found) > 1:
        found = [module for module in found if _are_blocks(module)]
    if len(found) != 1:
        raise ModelError(
            f"{type(model).__name__} has {len(found) or 'no'} list of {n_layers} decoder layers in its text stack "
            f"{type(stack).__name__}: exactly one can be steered"
        )
    return next(name for name, module in model.named_modules() if module is found[0]), found[0]


def _are_blocks(modules: nn.ModuleList) -> bool:
    """Tell whether these are whole blocks: transformers builds them as layers that it can checkpoint."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return all(isinstance(module, GradientCheckpointingLayer) for module in modules)
