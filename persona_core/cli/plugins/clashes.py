"""Clashes: which package brings a name already: the core, its chat, or another one that is installed."""

from persona_core.settings.installed import BUILTIN, PluginManager
from persona_core.settings.plugin_choice import canonical


def taken_by(plugins: PluginManager, hook: str, name: str, distribution: str) -> str:
    """Return the distribution other than `distribution` that registers `name`, or an empty text."""
    if hook == "register_chat_commands" and name in _built_in_commands():
        return BUILTIN
    owners = (registered.distribution for other, registered in plugins.named(hook) if other == name)
    return next((owner for owner in owners if canonical(owner) != canonical(distribution)), "")


def _built_in_commands() -> set[str]:
    from persona_core.cli.chat.registry import all_commands
    from persona_core.plugins.loading import load_plugins

    return set(all_commands(load_plugins(installed=[])))
