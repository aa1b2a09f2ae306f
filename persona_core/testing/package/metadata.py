"""Metadata checks: a distribution's version, licence, readme and dependencies."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, version
from typing import TYPE_CHECKING

from persona_core.plugins.findings import Wrong
from persona_core.settings.installed import BUILTIN
from persona_core.settings.plugin_choice import canonical

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def check_version(distribution: Distribution) -> str:
    """Return the version; raise `Wrong` where there is none."""
    stated = _field(distribution, "Version")
    if stated in ("", "0.0.0"):
        raise Wrong("there is no version", 'write version = "0.1.0" under [project] in pyproject.toml')
    return stated


def check_licence(distribution: Distribution) -> str:
    """Return the licence; raise `Wrong` where there is none."""
    licence = _field(distribution, "License-Expression") or _field(distribution, "License").partition("\n")[0]
    classified = [text for text in distribution.metadata.get_all("Classifier") or () if text.startswith("License ::")]
    if not licence and not classified:
        raise Wrong("there is no licence", 'write license = "MIT" or another one under [project] in pyproject.toml')
    return licence or classified[0]


def check_readme(distribution: Distribution) -> str:
    """Return how long the readme is; raise `Wrong` where there is none."""
    text = _field(distribution, "Description").strip()
    if not text:
        raise Wrong("there is no readme", 'write a README.md, and readme = "README.md" under [project]')
    return f"{len(text.splitlines())} lines"


def check_dependencies(distribution: Distribution) -> str:
    """Return the dependencies; raise `Wrong` where one is not installed or persona-core is not among them."""
    required = list(_required(distribution))
    if BUILTIN not in [canonical(requirement.name) for requirement in required]:
        raise Wrong(f"it does not depend on {BUILTIN}", f'write dependencies = ["{BUILTIN}"] under [project]')
    for requirement in required:
        _check_installed(requirement)
    return ", ".join(map(str, required))


def _required(distribution: Distribution) -> Iterator[Requirement]:
    """Yield the requirements that hold on this machine, without those of extras."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, distribution.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _check_installed(requirement: Requirement) -> None:
    mend = f"python -m pip install {shlex.quote(str(requirement))}"
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        raise Wrong(f"{requirement} is not installed here, and is not installed for a check", mend) from None
    if not requirement.specifier.contains(installed, prereleases=True):
        raise Wrong(f"it needs {requirement}, and {installed} is installed here", mend)


def _field(distribution: Distribution, name: str) -> str:
    return str(distribution.metadata[name]) if name in distribution.metadata else ""
