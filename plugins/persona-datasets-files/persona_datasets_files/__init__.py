"""The dataset generator `files`: personas and the safety dataset from files, `--generator files:PATH`.

`generator` picks the file and makes datasets, `persona_file` and `safety_file` say what a file holds, and `rows` reads
CSV and JSON lines. They are imported when a generator is asked for.
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
    from persona_datasets_files.generator import Files

    return [Files()]
