"""From a GGUF file to a folder that transformers loads in half a second: config, float32 weights, tokenizer.

The weights stay float32: of a 4-bit file, four dequantised values in five are no bfloat16 numbers and two in five no
float16 numbers.
"""

import json
import os
import shutil
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from persona_core.errors import ModelError
from persona_core.model.loading.quiet import quiet_transformers

# Raise it when this module starts to write something else: older conversions are then made anew.
CONVERSION_REVISION = 1
WEIGHTS = "model.safetensors"
SOURCE = "source.json"
_UNREADABLE = (ValueError, LookupError, RuntimeError, NotImplementedError, ImportError, struct.error)
_DIGITS_FIRST = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"})
"""Splitters of byte-level vocabularies that take each digit alone and the rest as GPT-2 does."""
_AS_GPT2 = frozenset({"gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "roberta-bpe"})
"""Those that split as GPT-2 does, which is what transformers takes where it knows no other."""


def convert_gguf(gguf: Path, folder: Path, facts: Mapping[str, object]) -> None:
    """Write the model and tokenizer of `gguf` into a new `folder`, and `facts` about them last.

    Takes about 10 s and 1.2 GB of memory for 135 million parameters. Raises `ModelError` where transformers cannot read
    the file, or does not know how its tokenizer splits text.
    """
    with reading_gguf(gguf):
        _save_model(gguf, folder)
        _save_tokenizer(gguf, folder)
    (folder / SOURCE).write_bytes(_source(facts))
    _flush(folder)


def is_converted(folder: Path, facts: Mapping[str, object]) -> bool:
    """Say whether `folder` holds what `convert` writes for these facts."""
    source, weights = folder / SOURCE, folder / WEIGHTS
    return source.is_file() and weights.is_file() and source.read_bytes() == _source(facts)


def gguf_metadata(gguf: Path) -> Callable[[str, Any], Any]:
    """Return a function from a key of the file's header to its value, or to the second argument where there is none."""
    import gguf as package

    reader: Any = package.GGUFReader(gguf)

    def value(key: str, default: Any) -> Any:
        field = reader.fields.get(key)
        return default if field is None else field.contents()

    return value


def knows_splitter(vocabulary: str, splitter: str) -> bool:
    """Say whether text will be split as the file's `tokenizer.ggml.pre` names; only byte-level vocabularies need it."""
    if vocabulary != "gpt2":
        return True
    return splitter in _DIGITS_FIRST | _AS_GPT2 | known_to_transformers()


def known_to_transformers() -> frozenset[str]:
    """Return the splitters that transformers sets by itself."""
    from transformers.integrations.gguf import gguf_tokenizer_mapping as mapping

    return frozenset(getattr(mapping, "GGUF_PRE_TOKENIZER_SPLITS", ()))


@contextmanager
def reading_gguf(gguf: Path) -> Iterator[None]:
    """Read a file in peace, parsed once for all that ask for a reader; what the readers raise becomes `ModelError`."""
    with quiet_transformers(), read_once(), _refusals(gguf):
        yield


@contextmanager
def read_once() -> Iterator[None]:
    """Let transformers parse the file once: it asks for a reader for the config, the weights and the tokenizer.

    The reader cuts 100,000 strings out of the file one by one, and a `memmap` runs Python code of its own at each cut;
    a plain array over the same bytes does not.
    """
    import gguf as package
    import numpy

    gguf: Any = package
    if not isinstance(gguf.GGUFReader, type):  # it is in force already
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
    """Turn what the readers raise into `ModelError`; what the disk raises goes on as it is."""
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


def _save_model(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    with torch.device("meta"):  # this imports the model's class, which must not happen where nothing is heard
        AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    with _no_bars():
        options: Any = {"dtype": torch.float32, "output_loading_info": True}
        loaded: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, **options)
        model, found = loaded
        _check_whole(gguf, found["missing_keys"])
        _forget_quantisation(model)
        # One file, however large: whoever looks at the folder knows by its name whether the weights are there.
        model.save_pretrained(folder, max_shard_size="1TB")
    # safetensors writes for the owner alone; a shared cache wants what the user's umask allows.
    shutil.copymode(folder / "config.json", folder / WEIGHTS)


def _check_whole(gguf: Path, missing: Collection[str]) -> None:
    """Refuse a file that lacks weights: transformers would fill them with chance."""
    if missing:
        raise ModelError(f"{gguf} lacks {len(missing)} weights of its model, such as {min(missing)}: download it again")


def _forget_quantisation(model: Any) -> None:
    # The weights are plain numbers now; a model that says "quantised" saves and loads as one.
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
    """Split digits where the file's splitter does: transformers takes GPT-2's splitter, which does not.

    GGUF only names the splitter. With GPT-2's the model would read "\\n\\n1." as tokens that it never writes.
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    if vocabulary == "gpt2" and splitter in _DIGITS_FIRST:
        digits = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
        tokenizer.backend_tokenizer.pre_tokenizer = digits


def _source(facts: Mapping[str, object]) -> bytes:
    return json.dumps(facts, indent=2).encode() + b"\n"


def _no_bars() -> redirect_stderr[StringIO]:
    """Send stderr nowhere: the bar of the GGUF reader heeds no setting of transformers or tqdm.

    Enter it only after the imports: a log handler that a library makes in here would write nowhere for ever.
    """
    return redirect_stderr(StringIO())


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
