"""Plugin packages, as they are really installed: chosen, announced, shown, installed and uninstalled."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from persona_core.chat.commands import SideBySide
from persona_core.cli import build_cli
from persona_core.errors import ConfigError, PluginError
from persona_core.plugins.hookspecs import CHANGES, HOOK_VERSION
from persona_core.plugins.loading import load_plugins, written_for
from persona_core.settings.plugin_choice import PLUGINS_VARIABLE

Run = Callable[..., Result]
THROW_AWAY = "persona-throw-away-of-a-test"


@pytest.fixture
def run(workspace_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv(PLUGINS_VARIABLE, raising=False)
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2  # small\n")

    def invoke(*words: str, code: int = 0) -> Result:
        found = CliRunner().invoke(build_cli(), words)
        assert found.exit_code == code, found.output
        return found

    return invoke


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


def test_a_choice_that_makes_no_sense_is_an_error_and_loads_nothing(workspace_folder: Path) -> None:
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text("# persona-steer\nplugins: 3\n")
    with pytest.raises(ConfigError, match="plugins"):
        load_plugins()


def test_a_package_that_is_new_since_the_last_run_is_announced_once(run: Run, workspace_folder: Path) -> None:
    assert "is new" not in run("list").stderr
    record = workspace_folder / "plugins.json"
    seen = json.loads(record.read_text())
    assert seen["persona-chat-stats"]["version"] == "0.1.0"
    del seen["persona-chat-stats"]
    record.write_text(json.dumps(seen))
    told = run("list").stderr
    assert told.count("is new since the last run") == 1
    assert "`persona-steer plugins disable persona-chat-stats` keeps it out" in told
    assert "is new" not in run("list").stderr
    record.write_text("{")
    assert "delete it to start afresh" in run("list", code=1).stderr


def test_show_says_where_a_package_is_from_and_what_it_brings(run: Run) -> None:
    run("list")
    shown = run("plugins", "show", "persona_capping_guard").stdout
    for words in (
        "published by:",
        "installed from:",
        "first seen:     20",
        "status:         loaded",
        "assistant-guard",
    ):
        assert words in shown
    assert "did you mean 'persona-capping-guard'" in run("plugins", "show", "persona-capping-gard", code=1).stderr


def test_an_older_plugin_loads_and_a_newer_one_says_what_to_upgrade() -> None:
    class Plugin:
        HOOK_VERSION: object = 1

    for version in range(1, HOOK_VERSION + 1):
        Plugin.HOOK_VERSION = version
        assert written_for(Plugin) == version
    Plugin.HOOK_VERSION = HOOK_VERSION + 1
    with pytest.raises(PluginError, match=r"version \d+ of the hooks.*pip install --upgrade persona-core"):
        written_for(Plugin)
    for wrong in (0, "2", True, None):
        Plugin.HOOK_VERSION = wrong
        with pytest.raises(PluginError, match="whole number"):
            written_for(Plugin)
    assert written_for(object()) == 1
    assert set(CHANGES) <= set(range(2, HOOK_VERSION + 1))


def test_columns_as_version_1_gave_them_are_still_shown() -> None:
    assert SideBySide({"a": "b"}).columns() == SideBySide(lambda: {"a": "b"}, "asking").columns()


@pytest.fixture
def throw_away(tmp_path: Path) -> Iterator[Path]:
    """A package on disk that is uninstalled whatever happens."""
    folder = tmp_path / "source"
    (folder / "persona_throw_away").mkdir(parents=True)
    (folder / "persona_throw_away" / "__init__.py").write_text(
        "from persona_core import Archetype, hookimpl\n\nHOOK_VERSION = 2\n\n\n@hookimpl\ndef register_archetypes():\n"
        "    return [Archetype(name='hermit', description='x', system_prompts=('You are x.',))]\n"
    )
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
        f'[project]\nname = "{THROW_AWAY}"\n'
        'version = "1.0"\nauthors = [{name = "A Test"}]\n\n[project.entry-points.persona_core]\n'
        'it = "persona_throw_away"\n\n[tool.hatch.build.targets.wheel]\npackages = ["persona_throw_away"]\n'
    )
    yield folder
    words = [sys.executable, "-m", "pip", "uninstall", "--yes", "--quiet", THROW_AWAY]
    subprocess.run(words, check=False, capture_output=True)


@pytest.mark.slow
def test_install_and_uninstall_wrap_pip_and_say_what_came(
    run: Run, throw_away: Path, workspace_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip's own way to say that it is off
    run("list")
    assert "nobody is there to answer; add --yes" in run("plugins", "install", str(throw_away), code=1).stderr
    came = run("plugins", "install", "--yes", str(throw_away)).stdout
    assert f"{THROW_AWAY} 1.0: loaded\n  register_archetypes: hermit" in came
    assert f"the plugin {THROW_AWAY} 1.0 (by A Test) is new" in run("list").stderr
    assert "written for version 2" in run("plugins", "show", THROW_AWAY).stdout
    assert "is uninstalled" in run("plugins", "uninstall", "--yes", THROW_AWAY).stdout
    assert THROW_AWAY not in rows(run)
    assert "no plugin package" in run("plugins", "uninstall", "--yes", "pip", code=1).stderr
    assert "pip install failed" in run("plugins", "install", "--yes", str(workspace_folder / "gone"), code=1).stderr
