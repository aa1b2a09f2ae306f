"""The dataset generator `model-written`: the model itself writes system prompts and questions from a description.

`generator` makes the archetype, `writing` samples candidates, and `sieve` says which of them serve. They are imported
when a generator is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from persona_core import hookimpl

if TYPE_CHECKING:
    from persona_core import DatasetGenerator


@hookimpl
def register_dataset_generators() -> Sequence[DatasetGenerator]:
    """Return the generator."""
    from persona_datasets_model.generator import ModelWritten

    return [ModelWritten()]
