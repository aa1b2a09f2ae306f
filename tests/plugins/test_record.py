"""A package that is new in a workspace is announced once, and the record says when it came."""

import json
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from persona_core.cli import build_cli
from persona_core.errors import WorkspaceError
from persona_core.plugins.record import PluginRecord, home, origin, publisher
from persona_core.settings.plugin_choice import PLUGINS_VARIABLE
from persona_core.settings.workspace import Workspace

Run = Callable[..., Result]


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


def distribution(folder: Path, metadata: str, direct_url: str = "") -> Distribution:
    """Return an installed distribution that says this of itself."""
    info = folder / "persona_new-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: persona-new\nVersion: 1.0\n{metadata}")
    if direct_url:
        (info / "direct_url.json").write_text(direct_url)
    return Distribution.at(info)


def test_a_package_is_new_once_and_never_where_there_was_no_record(tmp_path: Path) -> None:
    workspace, package = Workspace(tmp_path), distribution(tmp_path / "site", "")
    first = PluginRecord(workspace)
    assert not first.note(package)
    first.save()
    workspace.plugin_record.write_text("{}")
    second = PluginRecord(workspace)
    assert second.note(package)
    assert not second.note(package)
    second.save()
    assert not PluginRecord(workspace).note(package)
    assert PluginRecord(workspace).seen["persona-new"].version == "1.0"


def test_no_workspace_is_made_for_a_record(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "none")
    record = PluginRecord(workspace)
    record.note(distribution(tmp_path / "site", ""))
    record.save()
    assert not workspace.root.exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"persona-new": {"version": 1}}'])
def test_a_damaged_record_is_an_error_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    workspace = Workspace(tmp_path)
    workspace.plugin_record.write_text(text)
    with pytest.raises(WorkspaceError, match="delete it to start afresh"):
        PluginRecord(workspace)


def test_publisher_page_and_origin_are_what_a_package_says_of_itself(tmp_path: Path) -> None:
    silent = distribution(tmp_path / "silent", "")
    assert (publisher(silent), home(silent), origin(silent)) == ("", "", "a package index")
    metadata = "Maintainer-email: someone\nProject-URL: Source, https://example.org/source\n"
    telling = distribution(tmp_path / "telling", metadata, '{"url": "file:///here", "dir_info": {"editable": true}}')
    assert publisher(telling) == "someone"
    assert home(telling) == "https://example.org/source"
    assert origin(telling) == "file:///here (editable)"
