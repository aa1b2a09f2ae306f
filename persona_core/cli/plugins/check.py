"""`persona-steer plugins check`: installs a package into a clean folder, checks it, and says how to mend it."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import click

from persona_core.base.names import suggestion
from persona_core.cli.app import json_option
from persona_core.cli.plugins.installation import install, last_line, run
from persona_core.errors import PluginError
from persona_core.plugins.findings import Finding, Journal, Wrong, in_one_line
from persona_core.settings.installed import GROUP
from persona_core.settings.plugin_choice import canonical

PROCESS = "persona_core.testing.package.inspection"


@click.command("check")
@click.argument("package")
@click.option(
    "--timeout",
    type=click.FloatRange(1, 3600),
    default=120.0,
    show_default=True,
    help="Seconds that installing may take, and the checks again.",
)
@json_option
def check(package: str, timeout: float, as_json: bool) -> None:
    """Check that a package installs, loads, starts quickly and keeps its contracts; say how to mend what is wrong.

    PACKAGE is a folder, wheel or source archive, which is installed into a clean folder without its dependencies, or
    the name of an installed package. Its code runs in a process of its own, with your rights: check no package that you
    would not install. The exit code is 1 where a check has failed.

    \b
    Example:
      persona-steer plugins check ./persona-blending-sharp
      persona-steer plugins check persona-capping-guard --json
    """
    with tempfile.TemporaryDirectory(prefix="persona-steer-check-") as scratch:
        checked = PackageCheck(Path(scratch), timeout)
        checked.run(package)
    click.echo(json.dumps(checked.as_data(), indent=2) if as_json else "\n".join(checked.lines()))
    sys.exit(1 if checked.failed else 0)


@dataclass
class PackageCheck:
    """The check of one package and its findings; `scratch` is an empty folder to work in."""

    scratch: Path
    seconds: float
    title: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def failed(self) -> int:
        """How many checks have failed."""
        return sum(finding.status == "FAILED" for finding in self.findings)

    def run(self, package: str) -> None:
        """Install a package where it is a path, and check it; raise `PluginError` where there is no such package."""
        path, site = Path(package), ""
        if path.is_file() or (path / "pyproject.toml").is_file() or (path / "setup.py").is_file():
            site, self.title = str(self.scratch / "site"), str(path)
            distribution = self._installed(path)
        else:
            distribution = _named(package)
        if distribution is not None:
            name = distribution.metadata["Name"]
            self.title = f"{name} {distribution.version}" + (f", from {path}" if site else "")
            self.findings += tuple(self._check(name, site))
            self.findings += tuple(self._compare(name))

    def lines(self) -> Iterator[str]:
        """Yield a line for each check, with up to two more for one that has failed, and the counts."""
        yield in_one_line(self.title)
        for finding in self.findings:
            yield f"{finding.status:8} {finding.check}: {finding.said}"
            yield from (f"{'':9}{word}: {text}" for word, text in _more(finding) if text)
        count = f"{len(self.findings)} checks"
        yield f"{count}, {self.failed} FAILED" if self.failed else f"{count}, none failed"

    def as_data(self) -> dict[str, Any]:
        """Return the findings as JSON data."""
        findings = [asdict(finding) for finding in self.findings]
        return {"package": self.title, "passed": not self.failed, "findings": findings}

    def _installed(self, path: Path) -> Distribution | None:
        """Install a package into the scratch folder; return None, with a finding, where that fails."""
        start = time.monotonic()
        try:
            distribution = install(path, self.scratch / "site", self.scratch / "pip.log", self.seconds)
        except Wrong as error:
            page = 'docs/write-a-blending-strategy.md, section "2. The package"'
            self.findings += (Finding("installs", "FAILED", str(error), error.mend, page),)
            return None
        said = f"into a clean folder, in {time.monotonic() - start:.1f} s"
        self.findings += (Finding("installs", "ok", said),)
        return distribution

    def _check(self, name: str, site: str) -> Iterator[Finding]:
        findings, last, went_wrong = self._process("check", name, site)
        yield from findings
        if went_wrong:
            mend = "import nothing that waits or ends the process; a hook only returns objects"
            yield Finding(last, "FAILED", went_wrong, mend, 'docs/hooks.md, section "Entry point"')

    def _compare(self, name: str) -> Iterator[Finding]:
        """Compare the names that the package registers with those of all other packages, which a process loads."""
        names = Journal(self.scratch / "check.jsonl").names()
        findings, _, went_wrong = self._process("compare", name, json.dumps(names)) if names else ([], "", "")
        yield from findings
        if went_wrong:
            mend = "`persona-steer plugins` shows which other package does not load; mend or uninstall it"
            yield Finding("clashes", "FAILED", f"other installed packages could not be loaded: {went_wrong}", mend)

    def _process(self, task: str, name: str, rest: str) -> tuple[list[Finding], str, str]:
        """Return the findings of a process, the check that began last, and how the process went wrong, if it did."""
        journal, log = Journal(self.scratch / f"{task}.jsonl"), self.scratch / f"{task}.log"
        command = [sys.executable, "-m", PROCESS, task, str(journal.path), name, rest]
        ending = run(command, log, self.seconds)
        findings, last, ended = journal.read()
        said = f"{ending or 'it ended the process'}; {last_line(log)}".strip("; ")
        return findings, last, "" if ended else said


def _named(name: str) -> Distribution:
    """Return an installed distribution; raise `PluginError` with the nearest plugin package where there is none."""
    installed = {canonical(known.metadata["Name"] or "unnamed"): known for known in distributions()}
    if canonical(name) in installed:
        return installed[canonical(name)]
    plugins = [other for other, distribution in installed.items() if _is_plugin(distribution)]
    raise PluginError(
        f"{name!r} is no folder with a pyproject.toml, no archive, and no installed package{suggestion(name, plugins)}"
    )


def _is_plugin(distribution: Distribution) -> bool:
    return f"[{GROUP}]" in (distribution.read_text("entry_points.txt") or "")


def _more(finding: Finding) -> tuple[tuple[str, str], ...]:
    return ("mend it", finding.mend), ("see", finding.page)
