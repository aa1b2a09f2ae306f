"""`plugins new` refuses a name that is taken, and overwrites nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from persona_core.cli import build_cli
from persona_core.errors import PluginError
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.new_package import new_package, write_package


def invoke(*arguments: str) -> Result:
    """Run a command about packages, with the built-in plugin alone."""
    return CliRunner().invoke(build_cli(load_plugins(installed=[])), ["plugins", *arguments])


@pytest.mark.parametrize(
    ("kind", "name", "owner"),
    [
        ("capping", "persona-capping-percentile-floor", "persona-core"),
        ("commands", "persona-chat-help", "persona-core"),
    ],
)
def test_the_name_of_a_built_in_object_is_refused(kind: str, name: str, owner: str, tmp_path: Path) -> None:
    result = invoke("new", kind, name, "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert f"is a name that {owner} brings already" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    result = invoke("new", "judge", "mine", "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert "is there already; choose another name" in result.stderr
    (tmp_path / "mine").rmdir()
    package = new_package("judge", "mine")
    object.__setattr__(package, "module", "a/" + "b" * 300)
    with pytest.raises(PluginError, match="cannot write"):
        write_package(package, tmp_path)
    assert list(tmp_path.iterdir()) == []
