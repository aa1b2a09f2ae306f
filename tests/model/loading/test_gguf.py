"""GGUF files: parsed once, and split as they say; whole conversions are tested by the packages that want them."""

from pathlib import Path

import gguf
import pytest

from persona_core.errors import ModelError
from persona_core.model.loading.gguf import convert_gguf, is_converted, knows_splitter, read_once


def test_the_file_is_parsed_once_for_all_readers_and_as_before_afterwards(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "small.gguf")
    before = gguf.GGUFReader
    with read_once():
        first = gguf.GGUFReader(path)
        assert gguf.GGUFReader(path) is first
    assert gguf.GGUFReader is before
    fields = (reader.fields["tokenizer.ggml.tokens"].contents() for reader in (first, before(path)))
    assert list(fields) == [["one", "two"], ["one", "two"]]


@pytest.mark.parametrize("splitter", ["smollm", "gpt-2", "llama-bpe", "qwen2"])
def test_a_byte_level_splitter_is_known_by_name(splitter: str) -> None:
    assert knows_splitter("gpt2", splitter)


@pytest.mark.parametrize("splitter", ["", "default", "deepseek-llm", "another"])
def test_a_splitter_that_nobody_sets_is_not_known_for_byte_level_vocabularies_alone(splitter: str) -> None:
    assert not knows_splitter("gpt2", splitter)
    assert knows_splitter("llama", splitter)


def test_a_file_that_transformers_cannot_read_is_refused_by_name_and_marks_nothing_as_converted(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "small.gguf", architecture="another")
    with pytest.raises(ModelError, match=r"cannot convert .*small\.gguf"):
        convert_gguf(path, tmp_path / "model", {"file": "small.gguf"})
    assert not is_converted(tmp_path / "model", {"file": "small.gguf"})


def write_tokens(path: Path, architecture: str = "llama") -> Path:
    """Write a GGUF file that holds two tokens and no weights."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_array("tokenizer.ggml.tokens", ["one", "two"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
