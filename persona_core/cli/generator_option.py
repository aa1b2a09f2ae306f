"""The option `--generator`, which names a dataset generator."""

from typing import Any

import click

from persona_core.cli.app import Decorator
from persona_core.extraction.data import DEFAULT_GENERATOR

generator_option: Decorator[Any] = click.option(
    "--generator",
    default=DEFAULT_GENERATOR,
    show_default=True,
    help="A registered generator, or NAME:ARGUMENT.",
)
