"""The header: reads what a GGUF file says of itself, and refuses a model that cannot be loaded or chatted with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_core import gguf_metadata, knows_splitter
from persona_core.errors import ModelError

_NO_ARCHITECTURE = frozenset({"general", "tokenizer"})
_NOT_FOR_CHAT = frozenset({"t5", "umt5"})


@dataclass(frozen=True)
class Header:
    """The facts of a file that decide whether it can be used."""

    architecture: str
    vocabulary: str
    splitter: str
    n_layers: int
    width: int
    n_parts: int
    n_weights: int


def read_header(path: Path) -> Header:
    """Return a file's facts; 0 or an empty text where it does not say."""
    import gguf

    reader: Any = gguf.GGUFReader(path)
    value = gguf_metadata(path)
    architecture = str(value("general.architecture", ""))
    return Header(
        architecture=architecture,
        vocabulary=str(value("tokenizer.ggml.model", "")),
        splitter=str(value("tokenizer.ggml.pre", "")),
        n_layers=int(value(f"{architecture}.block_count", 0)),
        width=int(value(f"{architecture}.embedding_length", 0)),
        n_parts=int(value("split.count", 1)),
        n_weights=sum(int(tensor.n_elements) for tensor in reader.tensors),
    )


def check_header(path: Path, header: Header) -> None:
    """Raise `ModelError` that says what is missing and what would do."""
    known = architectures()
    if _plain(header.architecture) not in {_plain(name) for name in known}:
        raise ModelError(
            f"{path} holds a model of the architecture {header.architecture!r}, and transformers reads GGUF files of "
            f"these alone: {', '.join(known)}; use another model, or its folder of safetensors"
        )
    if header.n_parts > 1:
        raise ModelError(f"{path} is one of {header.n_parts} parts: join them with `llama-gguf-split --merge`")
    if not (header.n_layers and header.width and header.n_weights):
        raise ModelError(f"{path} does not say how large its model is, or holds no weights: download it again")
    _check_splitter(path, header)


def architectures() -> list[str]:
    """Return the architectures of GGUF files that transformers can read and that answer messages."""
    from transformers.integrations.gguf.gguf_conversion_mapping import GGUF_ARCHS
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    return sorted({*GGUF_ARCHS, *GGUF_SUPPORTED_ARCHITECTURES} - _NO_ARCHITECTURE - _NOT_FOR_CHAT)


def _plain(architecture: str) -> str:
    """Return a name as GGUF and transformers both write it: `qwen2moe` is `qwen2_moe`, `gpt-oss` is `gpt_oss`."""
    return architecture.replace("-", "").replace("_", "")


def _check_splitter(path: Path, header: Header) -> None:
    if not knows_splitter(header.vocabulary, header.splitter):
        raise ModelError(
            f"{path} splits text as {header.splitter or 'nothing in it names'!r} does, and neither transformers nor "
            "this package knows how: its model would read other tokens than it was trained on. Use the model's folder "
            f"of safetensors, or take the risk with `--model {path}`, which splits as GPT-2 does"
        )
