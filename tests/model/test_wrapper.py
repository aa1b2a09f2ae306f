"""The wrapper leaves the process as it found it: what nnsight adds to every object is gone before torch compiles."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_compiler_can_be_loaded_after_the_wrapper() -> None:
    code = (
        "import persona_core.model.wrapper, torch\n"
        "assert not hasattr(object, 'save')\n"
        "torch.compile(torch.nn.Linear(2, 2))\n"
        "import torch._inductor.dtype_propagation"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
