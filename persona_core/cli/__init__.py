"""The command line: `persona-steer`. One command a module; nothing outside this package prints."""

import sys

from persona_core.cli.root import build_cli

__all__ = ["build_cli", "main"]


def main() -> None:
    """Run the command line. nnsight reads `sys.argv` for itself, so it is left bare."""
    from persona_core.plugins import load_plugins

    arguments, sys.argv = sys.argv[1:], sys.argv[:1]
    build_cli(load_plugins())(args=arguments, prog_name="persona-steer")
