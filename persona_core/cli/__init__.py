"""The command line: `persona-steer`. One command a module; nothing outside this package prints."""

import os
import sys

from persona_core.cli.root import PROGRAM, build_cli

__all__ = ["build_cli", "main"]


def main() -> None:
    """Run the command line.

    nnsight reads `sys.argv` for itself, so it is left bare. pydantic's own plugins are not looked for: none is used,
    and the search costs a tenth of start-up. The threads of torch wait asleep. Where other work holds the cores,
    threads that spin take the very core that they wait for (docs/performance.md, Busy cores).
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    arguments, sys.argv = sys.argv[1:], sys.argv[:1]
    build_cli()(args=arguments, prog_name=PROGRAM)
