"""Installation: puts a package into a clean folder with pip, and runs processes that may hang or crash."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

from persona_core.plugins.findings import Wrong, in_one_line

_ENDLESS = "it did not end within {seconds:g} s and was stopped"


def install(package: Path, site: Path, log: Path, seconds: float) -> Distribution:
    """Install a folder, wheel or source archive into `site`, without dependencies; raise `Wrong` with pip's reason."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-input", "--no-compile"]
    isolation = ["--no-build-isolation"] if _can_build(package) else []
    ending = run([*command, *isolation, "--target", str(site), str(package.absolute())], log, seconds)
    installed = [distribution for distribution in distributions(path=[str(site)]) if distribution.metadata["Name"]]
    if ending or not installed:
        raise Wrong(
            _reason(log) if ending.startswith("it ended") else ending or "nothing was installed",
            f"python -m pip install --no-deps {shlex.quote(str(package))} shows all that pip says",
        )
    return installed[0]


def run(command: list[str], log: Path, seconds: float) -> str:
    """Run a program without input, its output in `log`; return how it went wrong, or an empty text.

    It is stopped after `seconds`, and every process that it started is stopped with it.
    """
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=log.parent, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return _ENDLESS.format(seconds=seconds)
        finally:
            _stop(process)
    return f"it ended with code {code}" if code else ""


def last_line(log: Path) -> str:
    """Return the last line that a program has written, or an empty text."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return in_one_line(next((line for line in reversed(lines) if line.strip()), ""))


def _stop(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _can_build(package: Path) -> bool:
    """Tell whether everything that a folder is built with is installed, so that pip need not fetch it."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        needs = [Requirement(text) for text in _build_system(package)["requires"]]
        return all(need.specifier.contains(version(need.name), prereleases=True) for need in needs)
    except (KeyError, PackageNotFoundError, InvalidRequirement, TypeError):
        return False


def _build_system(package: Path) -> dict[str, Any]:
    """Return the table `build-system` of pyproject.toml; empty where it is broken, which pip then reports itself."""
    try:
        table = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8")).get("build-system", {})
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def _reason(log: Path) -> str:
    """Return the last error line of pip's output that says more than that it failed; without one, the last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    errors = [line for line in lines if re.match(r"(ERROR: (?!Failed|.*exited with)|\w*(Error|Exception): )", line)]
    return in_one_line(errors[-1]) if errors else last_line(log)
