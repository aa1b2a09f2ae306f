"""Everything that is checked before a change lands: `python tests/check.py`.

Lint, imports between rooms, types, and the tests that are not slow, in this order; it stops at the first that fails.
With `--lint` it leaves out the tests. `.ci/run` calls it so, and then runs all tests.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TYPED = ("persona_core", "plugins/*/persona_*", "plugins/*/llm_*", "archetypes/*/persona_*")
TESTS = "pytest"


def steps() -> dict[str, list[str]]:
    """Return what is run, in order: name -> command line."""
    typed = sorted(str(path.relative_to(ROOT)) for pattern in TYPED for path in ROOT.glob(pattern))
    module = [sys.executable, "-m"]
    return {
        "ruff check": [*module, "ruff", "check", "."],
        "ruff format": [*module, "ruff", "format", "--check", "."],
        "lint-imports": [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        "mypy": [*module, "mypy", *typed],
        TESTS: [*module, "pytest", "-m", "not slow"],
    }


def main() -> None:
    """Run every step; exit with 1 and the name of the first that fails."""
    for name, command in steps().items():
        if name == TESTS and "--lint" in sys.argv[1:]:
            continue
        print(f"== {name}", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            sys.exit(f"{name} failed; nothing after it was run")
    print("all passed")


if __name__ == "__main__":
    main()
