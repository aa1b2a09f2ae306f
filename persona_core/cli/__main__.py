"""Runs the command line as `python -m persona_core.cli`."""

from persona_core.cli import main

if __name__ == "__main__":
    main()
