"""`plugins enable` and `disable` decide which packages run in a workspace."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from persona_core.errors import PluginError
from persona_core.plugins.loading import load_plugins
from persona_core.settings.plugin_choice import PLUGINS_VARIABLE

Run = Callable[..., Result]


def rows(run: Run) -> dict[str, dict[str, object]]:
    return {row["package"]: row for row in json.loads(run("plugins", "--json").stdout)}


@pytest.mark.slow
def test_a_disabled_package_does_not_run_until_it_is_enabled(run: Run, workspace_folder: Path) -> None:
    assert "persona-chat-stats is disabled" in run("plugins", "disable", "persona_chat_stats").stdout
    assert rows(run)["persona-chat-stats"]["refused"] == "disabled"
    assert "persona_chat_stats" not in _modules_after_listing(workspace_folder)
    assert "  # small" in (workspace_folder / "config.yaml").read_text()
    run("plugins", "enable", "persona-chat-stats")
    assert rows(run)["persona-chat-stats"]["registered"] == {"register_chat_commands": ["stats"]}
    assert "persona_chat_stats" in _modules_after_listing(workspace_folder)


def _modules_after_listing(workspace: Path) -> set[str]:
    code = (
        "import sys\nfrom persona_core.cli import build_cli\n"
        "build_cli()(['plugins'], standalone_mode=False)\nprint('modules', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("modules")[2].split())


def test_an_allow_list_keeps_all_others_out_and_enable_adds_to_it(run: Run) -> None:
    run("config", "set", "plugins.allowed", "[persona-model-smollm2]")
    found = rows(run)
    assert [name for name, row in found.items() if not row["refused"]] == ["persona-core", "persona-model-smollm2"]
    run("plugins", "enable", "persona-capping-guard")
    assert not rows(run)["persona-capping-guard"]["refused"]


def test_a_policy_of_a_disabled_package_is_an_error_that_says_so(run: Run) -> None:
    run("config", "set", "steering.capping_policy", "assistant-guard")
    found = run("plugins", "disable", "persona-capping-guard")
    assert "steering.capping_policy needs persona-capping-guard" in found.stderr
    with pytest.raises(PluginError, match=r"the configuration keeps these out: persona-capping-guard \(disabled\)"):
        load_plugins().find("register_capping_policies", "assistant-guard", "capping policy")


def test_the_variable_replaces_the_allow_list(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("config", "set", "plugins.allowed", "[persona-model-smollm2]")
    monkeypatch.setenv(PLUGINS_VARIABLE, "persona_chat.stats, persona-capping-guard")
    allowed = [name for name, row in rows(run).items() if not row["refused"]]
    assert allowed == ["persona-capping-guard", "persona-chat-stats", "persona-core"]
    monkeypatch.setenv(PLUGINS_VARIABLE, "")
    assert [name for name, row in rows(run).items() if not row["refused"]] == ["persona-core"]
