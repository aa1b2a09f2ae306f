"""`persona-steer plugins`: what is installed, and everything that can be done with packages; `command` is the group."""

from persona_core.cli.plugins.command import command

__all__ = ["command"]
