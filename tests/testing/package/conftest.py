"""The check of one installed package."""

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner
from packages import METADATA

from persona_core.cli import build_cli
from persona_core.plugins.loading import load_plugins

Check = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Return a function from a module's source to the exit code of its check and the findings by name."""
    cli, site = build_cli(load_plugins(installed=[])), tmp_path / "site"
    info = site / "persona_bad-1.0.dist-info"
    info.mkdir(parents=True)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))

    def make(source: str, metadata: str = METADATA, seconds: float = 60) -> tuple[int, dict[str, dict[str, str]]]:
        (site / "persona_bad.py").write_text(dedent(source))
        (info / "METADATA").write_text(metadata.format(name="persona-bad"))
        (info / "entry_points.txt").write_text("[persona_core]\nbad = persona_bad\n")
        result = CliRunner().invoke(cli, ["plugins", "check", "persona-bad", "--json", "--timeout", str(seconds)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        assert "Traceback" not in result.output
        findings = json.loads(result.stdout)["findings"]
        return result.exit_code, {finding["check"]: finding for finding in findings}

    return make
