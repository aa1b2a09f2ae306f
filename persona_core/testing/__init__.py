"""Testing: what the tests of plugins import: a check for each kind of object, small examples, and pytest fixtures.

Each name is imported when it is first used, because pytest loads `fixtures` in every run of the environment.
`strategies` needs hypothesis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persona_core.testing.examples import (
        example_axis,
        example_context,
        example_replies,
        example_turns,
        example_vector,
    )
    from persona_core.testing.reply_checks import check_chat_command, check_judge, check_turn_monitor
    from persona_core.testing.steering_checks import check_blending_strategy, check_capping_policy
    from persona_core.testing.text_checks import check_archetype, check_dataset_generator

_HOMES = {
    "check_archetype": "text_checks",
    "check_blending_strategy": "steering_checks",
    "check_capping_policy": "steering_checks",
    "check_chat_command": "reply_checks",
    "check_dataset_generator": "text_checks",
    "check_judge": "reply_checks",
    "check_turn_monitor": "reply_checks",
    "example_axis": "examples",
    "example_context": "examples",
    "example_replies": "examples",
    "example_turns": "examples",
    "example_vector": "examples",
}

__all__ = [
    "check_archetype",
    "check_blending_strategy",
    "check_capping_policy",
    "check_chat_command",
    "check_dataset_generator",
    "check_judge",
    "check_turn_monitor",
    "example_axis",
    "example_context",
    "example_replies",
    "example_turns",
    "example_vector",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'persona_core.testing' has no attribute {name!r}")
    return getattr(import_module(f"persona_core.testing.{_HOMES[name]}"), name)
