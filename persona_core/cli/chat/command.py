"""`persona-steer chat`: reads the options, starts loading the model in the background, and runs the chat's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from persona_core.cli.app import App, model_option
from persona_core.cli.steering_options import SteeringOptions, steering_options
from persona_core.errors import SafetyUnavailable
from persona_core.personas.manager import PersonaManager

if TYPE_CHECKING:
    from persona_core.chat.session import ChatSettings


@click.command("chat")
@steering_options
@click.option("--resume", is_flag=False, flag_value="", default=None, metavar="[NAME]",
              help="Go on with a session: the last one, or NAME.")  # fmt: skip
@click.option("--allow-unsafe", is_flag=True, help="Let safety be turned off without being asked.")
@model_option
@click.pass_obj
def command(app: App, options: SteeringOptions, resume: str | None, allow_unsafe: bool, model: str | None) -> None:
    """Chat with a steered model. `/help` lists the commands; Ctrl-C stops a reply, Ctrl-D leaves.

    Every turn is kept at once under conversations/ in the workspace.

    \b
    Example:
      persona-steer chat --persona trickster
      persona-steer chat --resume
    """
    app.model_name = model
    manager = app.manager()
    options.check(manager)
    _start(app, manager, _settings(manager, options, allow_unsafe), options.system, resume)


def _settings(manager: PersonaManager, options: SteeringOptions, allow_unsafe: bool) -> ChatSettings:
    from persona_core.chat.session import ChatSettings

    config = manager.config
    request = options.request(config, {})
    settings = ChatSettings(
        options.personas(), request.strength, request.safety, options.sampling(config), request.guidance,
        options.seed, options.prompting(), allow_unsafe,
    )  # fmt: skip
    if not settings.safety and not allow_unsafe:
        raise SafetyUnavailable("to chat without the floor, add --allow-unsafe")
    return settings


def _start(app: App, manager: PersonaManager, settings: ChatSettings, system: str, resume: str | None) -> None:
    from persona_core.base.background import in_background
    from persona_core.chat.session import ChatSession
    from persona_core.cli.chat.editor import pick_editor
    from persona_core.cli.chat.loop import Loop
    from persona_core.cli.chat.registry import all_commands
    from persona_core.cli.chat.screen import pick_screen
    from persona_core.cli.chat.status_line import status_line

    registry = all_commands(app.plugins)
    session = ChatSession(manager, in_background(lambda: app.engine(manager)), settings)
    screen = pick_screen()
    loop: Loop
    editor = pick_editor(session, registry, lambda: status_line(session, loop.speed))
    loop = Loop(session, registry, screen, editor)
    loop.begin(resume)
    if system:
        session.set_system(system)
    loop.run()
