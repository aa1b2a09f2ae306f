"""Modules of packages, as a check finds them installed."""

METADATA = """\
Metadata-Version: 2.4
Name: {name}
Version: 1.0
License-Expression: MIT
Requires-Dist: persona-core

About this package.
"""
HOOK = """
from persona_core import hookimpl

@hookimpl
def {hook}():
    return {value}
"""
BLEND = """
class Blend:
    name = "blend"

    def blend(self, parts):
        {body}
"""


def returning(value: str, hook: str = "register_blending_strategies", before: str = "") -> str:
    """Return a module with one hook that returns this value."""
    return before + HOOK.format(hook=hook, value=value)
