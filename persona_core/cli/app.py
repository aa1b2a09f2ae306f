"""App: what every command gets: plugins, configuration, personas and the model, each made when first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from persona_core.base.progress import Progress
from persona_core.errors import PromptError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from persona_core.engine.engine import SteeringEngine
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.personas.manager import PersonaManager
    from persona_core.settings.config import Config
    from persona_core.settings.installed import LoadFailure, PluginManager
    from persona_core.settings.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]
model_option: Decorator[Any] = click.option(
    "--model", help="A model other than the configured one: alias, folder, GGUF file, hub id."
)
json_option: Decorator[Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class App:
    """The object that click hands to every command; `folder` and `model_name` are the options of the user."""

    def __init__(self, plugins: PluginManager | None, folder: Path | None, *, warns: bool = True) -> None:
        self.folder = folder
        self.model_name: str | None = None
        self._plugins, self._warns = plugins, warns

    @cached_property
    def plugins(self) -> PluginManager:
        """The loaded plugins; the user is warned of one that fails, now or when one of its hooks is first called."""
        plugins = self._plugins or self._load_plugins()
        if self._warns:
            plugins.on_failure(warn_of_plugin)
        return plugins

    def _load_plugins(self) -> PluginManager:
        """Load the packages that the workspace allows; announce one that is new since the last run before it runs."""
        from persona_core.plugins.loading import load_plugins
        from persona_core.plugins.record import PluginRecord
        from persona_core.settings.plugin_choice import plugin_choice

        workspace = self.workspace()
        record = PluginRecord(workspace)

        def announce(distribution: Distribution) -> None:
            if record.note(distribution):
                say(announcement(distribution))

        plugins = load_plugins(choice=plugin_choice(workspace), announce=announce)
        record.save()
        return plugins

    def workspace(self) -> Workspace:
        """Return the workspace, which may not exist yet and whose configuration may be broken."""
        from persona_core.settings.workspace import find_workspace

        return find_workspace(self.folder)

    def config(self) -> Config:
        """Read the configuration."""
        from persona_core.plugins.opening import get_config

        return get_config(self.folder, model=self.model_name, plugins=self.plugins)

    def manager(self, config: Config | None = None) -> PersonaManager:
        """Return the personas of the configured model."""
        from persona_core.personas.manager import PersonaManager

        return PersonaManager(config or self.config(), plugins=self.plugins)

    def model(self, config: Config | None = None) -> ModelWrapper:
        """Load the configured model; this imports torch."""
        from persona_core.model.wrapper import ModelWrapper

        return ModelWrapper(config or self.config(), plugins=self.plugins, report=say)

    def engine(self, manager: PersonaManager) -> SteeringEngine:
        """Load the model and return the engine for a manager's personas, the active set read already."""
        from persona_core.engine.engine import SteeringEngine

        engine = SteeringEngine(self.model(manager.config), manager)
        for name in manager.loaded():
            manager.persona(name, engine.model.identity)
        return engine


def warn_of_plugin(failure: LoadFailure) -> None:
    """Print which plugin fails, where and why, in one line."""
    say(f"Warning: plugin {failure.distribution} is broken at {failure.where}: {failure.error}")


def announcement(distribution: Distribution) -> str:
    """Return a line that says that a package is new, and how to keep its code from running."""
    from persona_core.plugins.record import publisher

    name, by = distribution.metadata["Name"], publisher(distribution) or "it does not say whom"
    return (
        f"Note: the plugin {name} {distribution.version} (by {by}) is new since the last run; its code runs from now "
        f"on. `persona-steer plugins disable {name}` keeps it out"
    )


def say(line: str) -> None:
    """Print a line to stderr: a note, a warning or progress, which is not the command's result.

    `print` writes where a spinner has redirected stderr to, above itself; `click.echo` would write into its line.
    """
    print(line, file=sys.stderr, flush=True)


def say_alias_note(app: App, name: str) -> None:
    """Say where a model's name is no alias that an installed package brings."""
    from persona_core.settings.model_source import alias_note

    if note := alias_note(name, app.plugins):
        say(note)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yield a progress function: it draws bars in a terminal, and prints a line at each quarter elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_function()
        return
    from rich import progress as bars

    columns = (bars.TextColumn("{task.description:30}"), bars.BarColumn(), bars.MofNCompleteColumn(),
               bars.TextColumn("{task.fields[rate]}"), bars.TimeRemainingColumn())  # fmt: skip
    with bars.Progress(*columns, console=console) as shown:
        yield _bar_function(shown)


@contextmanager
def waiting(doing: str) -> Iterator[None]:
    """Show a spinner on a terminal's stderr for as long as the context lasts, and nothing in a pipe."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        with console.status(f"[dim]{doing}…[/]"):
            yield
    else:
        yield


def _line_function() -> Progress:
    shown: dict[str, int] = {}

    def report(stage: str, done: int, total: int) -> None:
        quarter = 4 * done // max(total, 1)
        if shown.get(stage) != quarter:
            shown[stage] = quarter
            say(f"{stage}: {done} of {total}")

    return report


def _bar_function(shown: Any) -> Progress:
    tasks: dict[str, Any] = {}

    def report(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = shown.add_task(stage, total=total, rate="")
        speed = next((task.speed for task in shown.tasks if task.id == tasks[stage]), None)
        shown.update(tasks[stage], completed=done, rate=f"{speed:.1f}/s" if speed else "")

    return report


def read_stdin(read: Callable[[], str]) -> str:
    """Return what `read` returns from standard input; raise `PromptError` where it is not UTF-8 text."""
    try:
        return read()
    except UnicodeDecodeError as error:
        raise PromptError(f"standard input is not UTF-8 text: {error.reason} at byte {error.start}") from error
