"""Built-ins: the generator, strategies, policy, judge, prompts and vectors that persona-core itself registers.

They go through the same hooks as a package's. Each function imports what it returns, so that start-up loads none of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from persona_core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from persona_core.evaluation.judges import Judge
    from persona_core.evaluation.prompt_set import PromptSet
    from persona_core.extraction.generators import DatasetGenerator
    from persona_core.steering.blending import BlendingStrategy
    from persona_core.steering.capping import CappingPolicy


@hookimpl
def register_dataset_generators() -> Iterable[DatasetGenerator]:
    """Return the template generator."""
    from persona_core.extraction.generators import Templates

    return [Templates()]


@hookimpl
def register_blending_strategies() -> Iterable[BlendingStrategy]:
    """Return the weighted sum and the balanced sum."""
    from persona_core.steering.blending import BalancedSum, WeightedSum

    return [WeightedSum(), BalancedSum()]


@hookimpl
def register_capping_policies() -> Iterable[CappingPolicy]:
    """Return the percentile floor."""
    from persona_core.steering.capping import PercentileFloor

    return [PercentileFloor()]


@hookimpl
def register_judges() -> Iterable[Judge]:
    """Return the judge that is the unsteered model itself."""
    from persona_core.evaluation.judges import LogProbJudge

    return [LogProbJudge()]


@hookimpl
def register_prompt_sets() -> Iterable[PromptSet]:
    """Return the prompt set that needs no persona."""
    from persona_core.evaluation.prompt_set import core_prompts

    return [core_prompts()]


@hookimpl
def register_vector_dirs() -> Iterable[Path]:
    """Return the folder of the bundled vectors: inside an installed wheel, or beside the package in a checkout."""
    package = Path(str(files("persona_core")))
    return [folder for folder in (package / "ready_made", package.parent / "vectors") if folder.is_dir()]
