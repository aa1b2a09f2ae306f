"""Fixtures for the tests of plugins: a workspace, the command line, the embedded model, a tiny engine and a chat.

pytest loads this module in every run of an environment that has persona-core, so it imports nothing but pytest; each
fixture imports what it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from click.testing import Result

    from persona_core.chat.session import ChatSession
    from persona_core.engine.engine import SteeringEngine
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.settings.installed import PluginManager

_CHECKS = [f"persona_core.testing.{kind}_checks" for kind in ("text", "steering", "reply")]
pytest.register_assert_rewrite(*(name for name in _CHECKS if name not in sys.modules))


@pytest.fixture
def persona_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point `PERSONA_STEER_HOME` at a temporary workspace; return its folder, which the first file creates."""
    home = tmp_path / "home"
    monkeypatch.setenv("PERSONA_STEER_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def persona_plugins() -> PluginManager:
    """Load the built-in plugin and every installed one, as the command line does."""
    from persona_core.plugins.loading import load_plugins

    return load_plugins()


@pytest.fixture
def persona_command() -> Callable[..., Result]:
    """Return a function that runs a command of `persona-steer` in the process of the test.

    It asserts that the exit code is `code`, 0 by default, and returns click's result: `stdout`, `stderr`, `exception`.
    """
    from click.testing import CliRunner

    from persona_core.cli import build_cli

    def run(*arguments: object, code: int = 0, stdin: str = "") -> Result:
        result = CliRunner().invoke(build_cli(), [str(argument) for argument in arguments], input=stdin)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture(scope="session")
def embedded_model(tmp_path_factory: pytest.TempPathFactory, persona_plugins: PluginManager) -> ModelWrapper:
    """Load SmolLM2-135M-Instruct once a process, with its ready-made personas and a workspace of its own.

    Skips the test, with the reason, where the model cannot be loaded: `persona-model-smollm2` is not installed, or
    nothing can be downloaded.
    """
    from persona_core.errors import PersonaError
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.plugins.opening import get_config

    config = get_config(tmp_path_factory.mktemp("embedded"), model="smollm2", plugins=persona_plugins)
    try:
        return ModelWrapper(config, plugins=persona_plugins)
    except PersonaError as error:
        pytest.skip(f"the embedded model cannot be had: {error}")


@pytest.fixture(scope="module")
def tiny_engine(tmp_path_factory: pytest.TempPathFactory, persona_plugins: PluginManager) -> SteeringEngine:
    """Make an engine on a small model of random weights, with the personas `sage` and `trickster` and both axes.

    Each test module has one, with a workspace of its own; it needs no download.
    """
    from persona_core.testing.tiny_model import example_engine

    return example_engine(tmp_path_factory.mktemp("tiny"), persona_plugins)


@pytest.fixture
def tiny_chat(tiny_engine: SteeringEngine) -> ChatSession:
    """Make a chat on `tiny_engine` for each test; nothing has been said in it, and nothing steers."""
    from concurrent.futures import Future

    from persona_core.chat.session import ChatSession, ChatSettings
    from persona_core.model.decoding import Sampling

    loaded: Future[SteeringEngine] = Future()
    loaded.set_result(tiny_engine)
    return ChatSession(tiny_engine.manager, loaded, ChatSettings({}, 1.0, True, Sampling(4, 1.0)))
