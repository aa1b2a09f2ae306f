"""The command line: `persona-steer`. One command a module; nothing outside this package prints."""

import sys

from persona_core.cli.root import PROGRAM, build_cli

__all__ = ["build_cli", "main"]


def main() -> None:
    """Run the command line. nnsight reads `sys.argv` for itself, so it is left bare."""
    from persona_core.plugins import load_plugins

    arguments, sys.argv = sys.argv[1:], sys.argv[:1]
    try:
        cli = build_cli(load_plugins())
    except KeyboardInterrupt:
        sys.exit(130)
    cli(args=arguments, prog_name=PROGRAM)
