"""A tiny Llama, written to GGUF files as llama.cpp lays them out, and loaded back; and everything that is refused."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from persona_model_gguf import header, source
from persona_model_gguf.cache import identify
from tiny_gguf import CONTEXT, N_LAYERS, as_quantised, logits, tiny_model, write_gguf

from persona_core import CACHE_VARIABLE, ModelWrapper, PluginManager, get_config, model_slug
from persona_core.errors import ModelError


@pytest.fixture(scope="module")
def llama() -> Any:
    """A Llama of two layers with random weights."""
    return tiny_model()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache at an empty folder."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetch(path: Path, report: Callable[[str], None] = lambda line: None) -> Path:
    """Return the folder of a file's model, as `--model gguf:PATH` gets it."""
    return source(str(path)).fetch(report)


def held(cache: Path) -> list[str]:
    """Return what the cache holds beside its locks."""
    return sorted(path.name for path in (cache / "models").iterdir() if path.suffix != ".lock")


def test_the_scheme_is_found_by_its_entry_point(persona_plugins: PluginManager) -> None:
    registered = persona_plugins.registry("register_models")["gguf"]
    assert (registered.value.usage, registered.distribution) == ("gguf:PATH", "persona-model-gguf")


def test_the_files_name_is_the_folder_of_its_vectors_and_nothing_is_read_for_it(
    tmp_path: Path, persona_plugins: PluginManager
) -> None:
    name = f"gguf:{tmp_path}/My Model.Q4.gguf"
    assert model_slug(name, persona_plugins) == "my-model.q4"
    assert get_config(tmp_path, model=name).model.name == name


@pytest.mark.parametrize("quantised", [False, True])
def test_the_converted_folder_gives_the_logits_of_the_weights_that_were_written(
    tmp_path: Path, llama: Any, quantised: bool
) -> None:
    from transformers import AutoModelForCausalLM

    folder = fetch(write_gguf(tmp_path / "tiny.gguf", llama, quantised=quantised))
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder)
    written = as_quantised(llama) if quantised else llama
    assert torch.allclose(logits(loaded), logits(written), atol=1e-5)
    if quantised:
        assert not torch.allclose(logits(loaded), logits(llama), atol=1e-5)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_it_gives_what_transformers_reads_from_the_file_itself(tmp_path: Path, llama: Any) -> None:
    from transformers import AutoModelForCausalLM

    path = write_gguf(tmp_path / "tiny.gguf", llama, quantised=True)
    direct: Any = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=path.name, dtype=torch.float32)
    loaded: Any = AutoModelForCausalLM.from_pretrained(fetch(path))
    assert torch.equal(logits(loaded), logits(direct))


@pytest.mark.parametrize(("splitter", "pieces"), [("smollm", ["Ċ", "1", "2"]), ("gpt-2", ["Ċ", "12"])])
def test_digits_are_split_as_the_files_splitter_says(
    tmp_path: Path, llama: Any, splitter: str, pieces: Sequence[str]
) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(fetch(write_gguf(tmp_path / "t.gguf", llama, splitter=splitter)))
    assert tokenizer.tokenize("\n12") == list(pieces)
    assert (tokenizer.eos_token, tokenizer.model_max_length) == ("<|end|>", CONTEXT)
    message = [{"role": "user", "content": "hehe"}]
    assert tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False) == "hehe:"


def test_the_wrapper_takes_the_scheme_as_any_model(tmp_path: Path, llama: Any) -> None:
    name = f"gguf:{write_gguf(tmp_path / 'Tiny.gguf', llama)}"
    model = ModelWrapper(get_config(tmp_path, model=name))
    assert (model.identity.name, model.identity.slug, model.n_layers) == (name, "tiny", N_LAYERS)
    assert torch.allclose(
        model.forward(torch.tensor([[3, 4, 5]])), llama(torch.tensor([[3, 4, 5]])).logits[:, -1:], atol=1e-5
    )


def test_a_file_without_a_chat_template_takes_the_one_that_is_configured(
    tmp_path: Path, llama: Any, cache: Path
) -> None:
    name = f"gguf:{write_gguf(tmp_path / 'base.gguf', llama, template='')}"
    config = get_config(tmp_path, model=name)
    with pytest.raises(ModelError, match=r"has no chat template: set model\.chat_template to"):
        ModelWrapper(config)
    model = ModelWrapper(config.replace({"model.chat_template": "plain"}))
    assert model.decode(model.encode([{"role": "user", "content": "Hi"}])).endswith("Assistant:")


def test_a_file_is_converted_once_and_anew_when_it_changes(tmp_path: Path, llama: Any, cache: Path) -> None:
    lines: list[str] = []
    path = write_gguf(tmp_path / "tiny.gguf", llama)
    first = fetch(path, lines.append)
    assert fetch(path, lines.append) == first
    assert lines == ["converting tiny.gguf, once: this takes 0.1 GB of disk and 0.8 GB of memory"]
    write_gguf(path, llama, quantised=True)
    second = fetch(path, lines.append)
    assert second != first
    assert held(cache) == sorted([first.name, second.name])


def test_a_file_is_known_by_its_size_its_ends_and_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    facts = []
    for last, time in ((b"x", 1), (b"y", 1), (b"y", 2), (b"yy", 2)):
        path.write_bytes(b"GGUF" + bytes(3_000_000) + last)
        os.utime(path, (time, time))
        facts.append(identify(path))
    assert len({hashlib.sha256(repr(each).encode()).hexdigest() for each in facts}) == 4
    assert identify(path) == facts[-1]


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "architecture": ({"architecture": "clip"}, ("'clip'", "llama", "qwen2")),
    "unknown splitter": ({"splitter": "viking"}, ("'viking'", "safetensors", "--model")),
    "unnamed splitter": ({"splitter": ""}, ("nothing in it names",)),
    "one of several parts": ({"parts": 3}, ("one of 3 parts", "llama-gguf-split")),
    "a weight is missing": ({"lacks": "blk.1.ffn_up.weight"}, ("lacks 1 weights", "model.layers.1.mlp.up_proj")),
}


@pytest.mark.parametrize(("facts", "says"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_serve_is_refused_and_leaves_nothing(
    tmp_path: Path, llama: Any, cache: Path, facts: dict[str, Any], says: Sequence[str]
) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", llama, **facts)
    with pytest.raises(ModelError) as caught:
        fetch(path)
    for part in (str(path), *says):
        assert part in str(caught.value)
    assert held(cache) == []


def test_a_file_that_is_not_there_or_no_gguf_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no GGUF file .*none\.gguf: No such file"):
        fetch(tmp_path / "none.gguf")
    with pytest.raises(ModelError, match=r"no GGUF file .*: Is a directory"):
        fetch(tmp_path)
    (tmp_path / "bad.gguf").write_bytes(b"PK\x03\x04 zip")
    with pytest.raises(ModelError, match="not a GGUF file: it begins with"):
        fetch(tmp_path / "bad.gguf")


@pytest.mark.parametrize("length", [4, 20, 200, 5000])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, llama: Any, length: int) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", llama)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ModelError, match=r"tiny\.gguf"):
        fetch(path)


def test_names_of_architectures_are_compared_as_both_sides_write_them() -> None:
    plain = header.Header("qwen2moe", "llama", "", 2, 64, 1, 100)
    header.check_header(Path("x.gguf"), plain)
    header.check_header(Path("x.gguf"), dataclasses.replace(plain, architecture="gpt-oss"))
    assert not {"t5", "general", "tokenizer"} & set(header.architectures())
