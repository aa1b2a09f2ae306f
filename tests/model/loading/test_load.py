"""Loading: a folder that transformers saved becomes a model, and each name that is none says what to write instead."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from persona_core import SteeringEngine, get_config
from persona_core.errors import ModelError
from persona_core.model.loading.load import LoadedModel, identify, load_model, longest_context, pick_device
from persona_core.settings.config import Config


def ignore(line: str) -> None:
    """Show nothing."""


@pytest.fixture(scope="module")
def saved(tiny_engine: SteeringEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model in a folder."""
    folder = tmp_path_factory.mktemp("saved") / "My Model"
    tiny_engine.model._model.save_pretrained(folder)
    tiny_engine.model.tokenizer.save_pretrained(folder)
    return folder


def configured(folder: Path, model: Path | str, **settings: object) -> Config:
    """Return a configuration that names a model."""
    config = get_config(folder / "home", model=str(model))
    return config.replace({f"model.{key}": value for key, value in {"device": "cpu", **settings}.items()})


def test_a_saved_folder_loads_with_its_tokenizer_and_goes_by_its_path(
    saved: Path, tmp_path: Path, tiny_engine: SteeringEngine
) -> None:
    loaded = load_model(configured(tmp_path, saved), ignore)
    assert (loaded.name, loaded.slug, loaded.weights) == (str(saved), "my-model", saved)
    assert not loaded.model.training
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        # The engine's weights are laid out for its products, whose kernels round in another order on some machines.
        assert torch.allclose(loaded.model(ids).logits, tiny_engine.model._model(ids).logits, atol=1e-5)
    assert loaded.tokenizer.chat_template == tiny_engine.model.tokenizer.chat_template


def test_a_folder_loads_in_the_configured_precision(saved: Path, tmp_path: Path) -> None:
    loaded = load_model(configured(tmp_path, saved, dtype="bfloat16"), ignore)
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.bfloat16}


def test_a_model_is_the_same_one_in_every_precision(saved: Path, tmp_path: Path) -> None:
    identities = [
        identify(load_model(configured(tmp_path, saved, dtype=dtype), ignore)) for dtype in ("float32", "bfloat16")
    ]
    assert identities[0] == identities[1]
    assert (identities[0].n_layers, identities[0].hidden_size) == (6, 32)


def test_another_chat_template_is_another_identity(tiny_engine: SteeringEngine) -> None:
    def identity(template: str) -> Any:
        tokenizer = copy.copy(tiny_engine.model.tokenizer)
        tokenizer.chat_template = template
        return identify(LoadedModel(tiny_engine.model._model, tokenizer, "tiny", "tiny"))

    assert identity("one").template_hash != identity("other").template_hash
    assert identity("one").fingerprint == identity("other").fingerprint


def test_a_model_without_a_chat_template_is_refused(
    tiny_engine: SteeringEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tiny_engine.model.tokenizer
    monkeypatch.setattr(tokenizer, "chat_template", None)
    tiny_engine.model._model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    with pytest.raises(ModelError, match="has no chat template: set model.chat_template to a Jinja file"):
        load_model(configured(tmp_path, tmp_path / "base"), ignore)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smolm2", "no model 'smolm2'; did you mean 'smollm2'"),
        ("./nowhere", "no model './nowhere'"),
        ("/nowhere/at/all", "or give a local folder, a GGUF file or a hub id"),
        ("nowhere.gguf", "no GGUF file nowhere.gguf"),
    ],
)
def test_a_name_of_nothing_is_refused_with_what_a_name_may_be(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(configured(tmp_path, name), ignore)
    assert message in str(caught.value)


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"empty holds no config\.json; give a folder that transformers saved"):
        load_model(configured(tmp_path, tmp_path / "empty"), ignore)


def test_damaged_weights_are_refused_with_the_ways_out(saved: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in saved.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ModelError, match=r"cannot load model '.*broken'.*--model smollm2"):
        load_model(configured(tmp_path, broken), ignore)


def test_auto_is_a_device_that_is_there() -> None:
    assert pick_device("auto").type in ("cuda", "mps", "cpu")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", *([] if torch.backends.mps.is_available() else ["mps"])])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=rf"device '{name}' is not there; set model\.device to auto or cpu"):
        pick_device(name)


def test_the_longest_context_is_the_models_own_or_2048() -> None:
    assert longest_context(LlamaConfig(max_position_embeddings=777)) == 777

    class Silent:
        """A configuration that does not say."""

        def get_text_config(self) -> object:
            """Return nothing that has a length."""
            return object()

    assert longest_context(Silent()) == 2048


@pytest.fixture(scope="module")
def adapter(tiny_engine: SteeringEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA of the small model whose weights change what it predicts."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("adapters") / "Pirate LoRA"
    model = get_peft_model(
        copy.deepcopy(tiny_engine.model._model), LoraConfig(r=2, target_modules=["q_proj", "v_proj"])
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.ones_(weight)
    model.save_pretrained(folder)
    return folder


def test_an_adapter_is_merged_and_makes_another_model(saved: Path, adapter: Path, tmp_path: Path) -> None:
    config = configured(tmp_path, saved, adapter=str(adapter))
    bare, loaded = load_model(configured(tmp_path, saved), ignore), load_model(config, ignore)
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        assert not torch.allclose(loaded.model(ids).logits, bare.model(ids).logits, atol=1e-3)
    assert not [name for name, _ in loaded.model.named_parameters() if "lora" in name]
    assert identify(loaded).fingerprint != identify(bare).fingerprint
    assert identify(loaded).slug == config.slug == "my-model-with-pirate-lora"
    assert loaded.name.endswith("My Model with Pirate LoRA")


def test_an_adapter_in_place_of_a_model_is_refused_with_what_to_set(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Pirate LoRA is an adapter: set model\.adapter to it"):
        load_model(configured(tmp_path, adapter), ignore)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapter": "nowhere"}, r"nowhere holds no adapter_config\.json"),
        ({"dtype": "int8"}, "cannot be merged into int8 weights: set model.dtype to bfloat16"),
    ],
)
def test_an_adapter_that_cannot_be_merged_is_refused(
    saved: Path, adapter: Path, tmp_path: Path, change: dict[str, str], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(configured(tmp_path, saved, **({"adapter": str(adapter)} | change)), ignore)


def test_an_adapter_of_another_model_is_refused(saved: Path, adapter: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in adapter.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    config = other / "adapter_config.json"
    config.write_text(config.read_text().replace("q_proj", "no_such_proj").replace("v_proj", "nor_this_one"))
    with pytest.raises(ModelError, match=r"other does not fit this model"):
        load_model(configured(tmp_path, saved, adapter=str(other)), ignore)


def test_pickled_weights_are_refused_with_the_command_that_converts_them(saved: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text((saved / "config.json").read_text())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(ModelError, match=r"holds pickled weights \(\*\.bin\).*weights_only=True.*save_pretrained"):
        load_model(configured(tmp_path, pickled), ignore)


def test_sharded_safetensors_load(tiny_engine: SteeringEngine, tmp_path: Path) -> None:
    tiny_engine.model._model.save_pretrained(tmp_path / "shards", max_shard_size="40KB")
    tiny_engine.model.tokenizer.save_pretrained(tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    loaded = load_model(configured(tmp_path, tmp_path / "shards"), ignore)
    weights = dict(tiny_engine.model._model.named_parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in loaded.model.named_parameters())
