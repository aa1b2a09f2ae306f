"""What every command gets is made when it is first asked for, and progress is shown where a terminal can draw it."""

import io
from pathlib import Path

import pytest

from persona_core.cli.app import App, progress_bar, read_stdin, say, waiting
from persona_core.errors import ConfigError, PromptError
from persona_core.plugins.loading import load_plugins
from persona_core.settings.installed import LoadFailure


def test_plugins_are_loaded_once_and_a_failure_is_one_warning(capsys: pytest.CaptureFixture[str]) -> None:
    plugins = load_plugins(installed=[])
    app = App(plugins, None)
    assert app.plugins is app.plugins is plugins
    plugins.keep("persona-broken", "register_models", ValueError("no\nsuch thing"))
    said = capsys.readouterr().err
    assert said == "Warning: plugin persona-broken is broken at register_models: ValueError: no such thing\n"


def test_a_command_that_lists_plugins_does_not_warn_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    plugins = load_plugins(installed=[])
    plugins.failures.append(LoadFailure("persona-broken", "plugin", "it fails"))
    assert App(plugins, None, warns=False).plugins.failures
    assert capsys.readouterr().err == ""


def test_the_workspace_is_known_where_its_configuration_is_broken(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("# persona-steer\nmodel: {nam: smollm2}\n")
    app = App(load_plugins(installed=[]), tmp_path)
    assert app.workspace().root == tmp_path
    with pytest.raises(ConfigError, match="did you mean 'model.name'"):
        app.config()


def test_the_model_of_the_option_replaces_the_configured_one(tmp_path: Path) -> None:
    app = App(load_plugins(installed=[]), tmp_path)
    app.model_name = "someone/else"
    assert app.config().model.name == "someone/else"
    assert app.manager().slug == "someone-else"


def test_without_a_terminal_progress_is_a_line_at_each_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as progress:
        for done in range(101):
            progress("replies", done, 100)
    assert capsys.readouterr().err.splitlines() == [f"replies: {done} of 100" for done in (0, 25, 50, 75, 100)]


def test_without_a_terminal_waiting_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("loading the model"):
        say("downloading")
    assert capsys.readouterr() == ("", "downloading\n")


def test_standard_input_that_is_no_text_is_an_error() -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"ok\xff"), encoding="utf-8")
    with pytest.raises(PromptError, match="standard input is not UTF-8 text"):
        read_stdin(stream.read)
    assert read_stdin(lambda: "text") == "text"
