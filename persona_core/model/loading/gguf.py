"""GGUF conversion: from a GGUF file to a folder that transformers loads in half a second.

The folder holds config, weights and tokenizer. The weights are float32 by default, because rounding changes the model:
of a 4-bit file's dequantised values, bfloat16 cannot represent four in five, and float16 two in five. Of a large model
bfloat16 halves the disk: Qwen2.5-Coder-0.5B's next token then differs by 4e-5 nats (KL) and its greedy replies by none.
"""

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from persona_core.errors import ModelError
from persona_core.model.loading.quiet import quiet_transformers

# Raise this number when the conversion writes different files: older conversions are then redone.
CONVERSION_REVISION = 1
WEIGHTS = "model.safetensors"
SOURCE = "source.json"
_UNREADABLE = (ValueError, LookupError, RuntimeError, NotImplementedError, ImportError, struct.error)
_DIGITS_FIRST = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"})
"""Splitters of byte-level vocabularies that split off each digit, and split the rest as GPT-2 does."""
_AS_GPT2 = frozenset({"gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "roberta-bpe"})
"""Splitters that split as GPT-2 does. transformers uses GPT-2's for any splitter that it does not know."""


Dtype = Literal["float32", "bfloat16"]
"""The precision of matrices on disk; vectors, such as biases and norms, are always float32."""
_WITHOUT_WEIGHTS = 800_000_000
"""Bytes of memory that a conversion takes beside the weights: libraries, and the 150,000 tokens of Qwen2.5."""
_TOKENIZER = 50_000_000
"""Bytes of disk beside the weights."""
_WHOLE = 2.2
"""Times its float32 weights that a model takes in memory that transformers reads as a whole."""


@dataclass(frozen=True)
class ConversionNeeds:
    """The bytes of disk and of memory that a conversion takes."""

    disk: int
    memory: int

    def __str__(self) -> str:
        """Say both in a few words for the user."""
        return f"{self.disk / 1e9:.1f} GB of disk and {self.memory / 1e9:.1f} GB of memory"


def conversion_needs(gguf: Path, dtype: Dtype = "float32") -> ConversionNeeds:
    """Return what `convert_gguf` will take; no weight is read. Raises `ModelError` as it does."""
    from persona_core.model.loading.gguf_weights import GgufWeights, is_one_to_one, n_values

    with reading_gguf(gguf):
        if not is_one_to_one(gguf):
            n = n_values(gguf)
            return ConversionNeeds(n * (4 if dtype == "float32" else 2) + _TOKENIZER, int(_WHOLE * 4 * n))
        weights = GgufWeights(gguf, dtype)
        return ConversionNeeds(weights.size + _TOKENIZER, weights.largest + _WITHOUT_WEIGHTS)


def convert_gguf(gguf: Path, folder: Path, facts: Mapping[str, object], dtype: Dtype = "float32") -> None:
    """Write the model and tokenizer of `gguf` into a new `folder`, and `facts` about them last.

    Takes about 10 s for 135 million parameters, and what `conversion_needs` says. An output layer that is a copy of the
    embedding is tied to it. Raises `ModelError` where transformers cannot read the file, or has other weights for it.
    """
    with reading_gguf(gguf):
        _save_model(gguf, folder, dtype)
        _save_tokenizer(gguf, folder)
    (folder / SOURCE).write_bytes(_source(facts))
    _flush(folder)


def is_converted(folder: Path, facts: Mapping[str, object]) -> bool:
    """Tell whether `folder` holds what `convert_gguf` writes for these facts."""
    source, weights = folder / SOURCE, folder / WEIGHTS
    return source.is_file() and weights.is_file() and source.read_bytes() == _source(facts)


def gguf_metadata(gguf: Path) -> Callable[[str, Any], Any]:
    """Return a function `(key, default)` that looks up values of the file's header."""
    import gguf as package

    reader: Any = package.GGUFReader(gguf)

    def value(key: str, default: Any) -> Any:
        field = reader.fields.get(key)
        return default if field is None else field.contents()

    return value


def knows_splitter(vocabulary: str, splitter: str) -> bool:
    """Tell whether we can split text as the file's `tokenizer.ggml.pre` says; only byte-level vocabularies need it."""
    if vocabulary != "gpt2":
        return True
    return splitter in _DIGITS_FIRST | _AS_GPT2 | known_to_transformers()


def known_to_transformers() -> frozenset[str]:
    """Return the splitters that transformers sets up itself."""
    from transformers.integrations.gguf import gguf_tokenizer_mapping as mapping

    return frozenset(getattr(mapping, "GGUF_PRE_TOKENIZER_SPLITS", ()))


@contextmanager
def reading_gguf(gguf: Path) -> Iterator[None]:
    """Silence transformers, parse the file once for all readers, and turn what they raise into `ModelError`."""
    with quiet_transformers(), read_once(), _refusals(gguf):
        yield


@contextmanager
def read_once() -> Iterator[None]:
    """Let transformers parse the file once: it opens a reader for each of the config, the weights and the tokenizer.

    The reader slices 100,000 strings out of the file. Each slice of a `memmap` runs Python code; a slice of a plain
    array over the same bytes does not. This replaces `gguf.GGUFReader` until the context ends.
    """
    import gguf as package
    import numpy

    gguf: Any = package
    if not isinstance(gguf.GGUFReader, type):  # an outer read_once has replaced it already
        yield
        return

    class Reader(gguf.GGUFReader):  # type: ignore[misc]
        data: Any

        def _build_fields(self, *args: Any) -> Any:
            self.data = numpy.asarray(self.data)
            return super()._build_fields(*args)

    original = gguf.GGUFReader
    gguf.GGUFReader = cache(Reader)
    try:
        yield
    finally:
        gguf.GGUFReader = original


@contextmanager
def _refusals(gguf: Path) -> Iterator[None]:
    """Turn what the readers raise into `ModelError`; an error of the disk stays as it is."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        raise ModelError(_unreadable(gguf, error)) from error
    except _UNREADABLE as error:
        raise ModelError(_unreadable(gguf, error)) from error


def _unreadable(gguf: Path, error: Exception) -> str:
    return f"cannot convert {gguf}: {' '.join(str(error).split())[:300] or type(error).__name__}"


def _save_model(gguf: Path, folder: Path, dtype: Dtype) -> None:
    from persona_core.model.loading.gguf_weights import GgufWeights, is_one_to_one

    if not is_one_to_one(gguf):
        _save_whole_model(gguf, folder, dtype)
        return
    weights = GgufWeights(gguf, dtype)
    _forget_quantisation(weights.model)
    weights.model.save_pretrained(folder, state_dict={})
    weights.write(folder / WEIGHTS)


def _save_whole_model(gguf: Path, folder: Path, dtype: Dtype) -> None:
    """Save the model as transformers reads the file, with all weights in memory at once."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from persona_core.model.loading.gguf_weights import check_whole

    config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    with torch.device("meta"):  # imports the model's class before stderr is redirected: see _no_bars
        AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    with _no_bars():
        options: Any = {"dtype": getattr(torch, dtype), "output_loading_info": True}
        loaded: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, **options)
        model, loading_info = loaded
        check_whole(gguf, loading_info["missing_keys"])
        _forget_quantisation(model)
        # One file, however large: `is_converted` and others look for the weights under this one name.
        model.save_pretrained(folder, max_shard_size="1TB")
    # safetensors lets only the owner read its file; a shared cache needs the permissions of the user's umask.
    shutil.copymode(folder / "config.json", folder / WEIGHTS)


def _forget_quantisation(model: Any) -> None:
    # The weights are dequantised; a model that still calls itself quantised would be saved and loaded as such.
    vars(model.config).pop("quantization_config", None)
    model.hf_quantizer = None
    model.is_quantized = False
    vars(model.config).pop("_model_name_or_path", None)


def _save_tokenizer(gguf: Path, folder: Path) -> None:
    from transformers import AutoTokenizer

    with _no_bars():
        tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    value = gguf_metadata(gguf)
    _set_splitter(tokenizer, value("tokenizer.ggml.model", ""), value("tokenizer.ggml.pre", ""))
    tokenizer.model_max_length = int(value(f"{value('general.architecture', '')}.context_length", 2048))
    tokenizer.save_pretrained(folder)


def _set_splitter(tokenizer: Any, vocabulary: str, splitter: str) -> None:
    """Split off digits if the file's splitter does: transformers uses GPT-2's splitter, which does not.

    A GGUF file only names its splitter. With GPT-2's the model would read "\\n\\n1." as tokens that it never writes.
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    if vocabulary == "gpt2" and splitter in _DIGITS_FIRST:
        digits = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
        tokenizer.backend_tokenizer.pre_tokenizer = digits


def _source(facts: Mapping[str, object]) -> bytes:
    return json.dumps(facts, indent=2).encode() + b"\n"


def _no_bars() -> redirect_stderr[StringIO]:
    """Discard stderr: the progress bar of the GGUF reader ignores the settings of transformers and tqdm.

    Enter this only after the imports: a log handler that a library creates in here would discard its lines for ever.
    """
    return redirect_stderr(StringIO())


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
