"""The registry of slash commands: finds those that are built in and those of packages, and runs a line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from persona_core.base.names import nearest
from persona_core.chat.commands import ChatCommand, Outcome
from persona_core.chat.session import ChatSession
from persona_core.cli.chat import conversation_commands, create_command, inspect_commands, steering_commands
from persona_core.errors import PluginError, SteeringError
from persona_core.settings.installed import PluginManager

Registry = Mapping[str, ChatCommand]
_ALSO = {"exit": "quit", "bye": "quit", "q": "quit"}
"""What people of other chats type -> the command."""
_OPTION = re.compile(r"`--([a-z]+)( [^`]*)?`")
"""An option of the command line that an error advises, as in "decode directly with `--guidance 0`"."""


def all_commands(plugins: PluginManager) -> dict[str, ChatCommand]:
    """Return name -> command; raise `PluginError` where a package's command has the name of a built-in one."""
    commands = {command.name: command for command in _built_in()}
    for name, registered in plugins.registry("register_chat_commands").items():
        if name in commands:
            raise PluginError(
                f"{registered.distribution} registers /{name}, which is built in; uninstall it, or rename it there"
            )
        commands[name] = registered.value
    commands["help"] = ChatCommand(
        "help", "/help [COMMAND]", "this list, or more on one command", lambda _, value: help_text(commands, value),
        lambda _: {name: command.help for name, command in commands.items()},
    )  # fmt: skip
    return commands


def run_line(registry: Registry, session: ChatSession, line: str) -> Outcome:
    """Run a line that begins with a slash; raise `SteeringError` with the nearest name for an unknown command."""
    typed, _, value = line[1:].partition(" ")
    name = typed if typed in registry else _ALSO.get(typed, typed)
    if name not in registry:
        raise SteeringError(f"no command /{name}{_near(registry, name)}")
    return registry[name].run(session, value.strip())


def with_slashes(advice: str, registry: Registry) -> str:
    """Return an error's text with the options that it advises as the slash commands of the same names."""

    def slash(option: re.Match[str]) -> str:
        return f"`/{option[1]}{option[2] or ''}`" if option[1] in registry else option[0]

    return _OPTION.sub(slash, advice)


def help_text(registry: Registry, value: str) -> str:
    """Return one line a command, or usage, help and details of the one that is named."""
    name = value.removeprefix("/")
    if not name:
        width = max(len(command.usage) for command in registry.values())
        return "\n".join(f"  {command.usage:{width}}  {command.help}" for command in registry.values())
    if name not in registry:
        raise SteeringError(f"no command /{name}{_near(registry, name)}")
    command = registry[name]
    return f"{command.usage}: {command.help}" + (f"\n{command.details}" if command.details else "")


def _near(registry: Registry, name: str) -> str:
    near = nearest(name, registry)
    return f"; did you mean /{near}?" if near else "; /help lists the commands"


def _built_in() -> tuple[ChatCommand, ...]:
    steering, conversation = steering_commands.COMMANDS, conversation_commands.COMMANDS
    return (*steering, *inspect_commands.COMMANDS, *create_command.COMMANDS, *conversation)
