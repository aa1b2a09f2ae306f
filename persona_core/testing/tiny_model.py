"""The tiny model: random weights, two personas and both axes, so that a whole engine needs no download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from persona_core.testing.examples import example_axis, example_vector

if TYPE_CHECKING:
    from persona_core.engine.engine import SteeringEngine
    from persona_core.model.loading.load import LoadedModel
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.settings.config import Config
    from persona_core.settings.installed import PluginManager
    from persona_core.vectors.store import VectorStore

LAYERS, HIDDEN, CONTEXT = 6, 32, 512
TARGET_LAYERS, CAPPING_LAYERS = (2, 3), (4, 5)
PERSONAS = ("sage", "trickster")
_VOCABULARY = 1000
_SPECIAL = {"eos_token": "<|end|>", "pad_token": "<|pad|>"}
_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def example_engine(folder: Path, plugins: PluginManager | None = None) -> SteeringEngine:
    """Return an engine on a model of random weights, with a workspace in `folder`.

    Its replies are no language; everything else is real. No reply ends before `max_new_tokens`, so that tests can rely
    on lengths.
    """
    from persona_core.engine.engine import SteeringEngine
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.personas.manager import PersonaManager
    from persona_core.plugins.loading import load_plugins

    plugins = plugins or load_plugins()
    config = _config(folder, plugins)
    model = ModelWrapper(config, plugins=plugins, loaded=_random_model())
    vars(model)["end_tokens"] = frozenset()
    manager = PersonaManager(config, plugins=plugins)
    _save_vectors(model, manager.store)
    return SteeringEngine(model, manager)


def _config(folder: Path, plugins: PluginManager) -> Config:
    from persona_core.base.layers import format_layers
    from persona_core.plugins.opening import get_config

    return get_config(folder, model="tiny", plugins=plugins).replace(
        {
            "extraction.target_layers": format_layers(TARGET_LAYERS),
            "steering.capping_layers": format_layers(CAPPING_LAYERS),
            "model.context": CONTEXT,
            "model.device": "cpu",
        }
    )


def _random_model() -> LoadedModel:
    import torch

    from persona_core.model.loading.load import LoadedModel
    from persona_core.model.loading.quiet import quiet_transformers

    with quiet_transformers():
        from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer()
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, intermediate_size=48, num_hidden_layers=LAYERS,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4 * CONTEXT,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights: Any = LlamaForCausalLM(shape)
    return LoadedModel(weights.eval(), tokenizer, "tiny", "tiny")


def _tokenizer() -> Any:
    """Return a byte-level tokenizer trained on the built-in texts, the same each time."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from persona_core.evaluation.prompt_set import core_prompts

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, show_progress=False, special_tokens=list(_SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(core_prompts().neutral, trainer)
    wrapped: Any = PreTrainedTokenizerFast
    return wrapped(tokenizer_object=tokenizer, chat_template=_TEMPLATE, **_SPECIAL)


def _save_vectors(model: ModelWrapper, store: VectorStore) -> None:
    for name in PERSONAS:
        vector = example_vector(name, LAYERS, HIDDEN)
        store.save(vector.with_header(model=model.identity, target_layers=TARGET_LAYERS))
    for name in ("safety", "assistant"):
        store.save(example_axis(name, LAYERS, HIDDEN).with_header(model=model.identity))
