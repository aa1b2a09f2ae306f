"""A name is taken by the core, by its chat, or by another package, and never by the package itself."""

from collections.abc import Callable
from importlib.metadata import Distribution

from persona_core.cli.plugins.clashes import taken_by
from persona_core.plugins.loading import load_plugins
from persona_core.settings.installed import BUILTIN

Install = Callable[..., Distribution]
SAILOR = """
from persona_core import Archetype, hookimpl

@hookimpl
def register_archetypes():
    return [Archetype(name='sailor', description='x', system_prompts=('You are x.',))]
"""


def test_a_built_in_object_and_a_slash_command_are_taken_by_the_core() -> None:
    plugins = load_plugins(installed=[])
    assert taken_by(plugins, "register_capping_policies", "percentile-floor", "persona-mine") == BUILTIN
    assert taken_by(plugins, "register_chat_commands", "compare", "persona-mine") == BUILTIN
    assert taken_by(plugins, "register_chat_commands", "shout", "persona-mine") == ""


def test_a_name_of_another_package_is_taken_and_one_of_its_own_is_not(install: Install) -> None:
    plugins = load_plugins(installed=[install("persona-sailors", SAILOR)])
    assert taken_by(plugins, "register_archetypes", "sailor", "persona-mine") == "persona-sailors"
    assert taken_by(plugins, "register_archetypes", "sailor", "Persona_Sailors") == ""
