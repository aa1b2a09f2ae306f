"""What ships built in, registered through the same hooks as everybody else's."""

from collections.abc import Iterable
from pathlib import Path

from persona_core.blending import BalancedSum, BlendingStrategy, WeightedSum
from persona_core.capping import CappingPolicy, PercentileFloor
from persona_core.dataset_generator import DatasetGenerator, Templates
from persona_core.evaluation.judges import Judge, LogProbJudge
from persona_core.evaluation.prompt_set import PromptSet, core_prompts
from persona_core.hookspecs import hookimpl


@hookimpl
def register_dataset_generators() -> Iterable[DatasetGenerator]:
    """Return the template generator."""
    return [Templates()]


@hookimpl
def register_blending_strategies() -> Iterable[BlendingStrategy]:
    """Return the weighted sum and the balanced sum."""
    return [WeightedSum(), BalancedSum()]


@hookimpl
def register_capping_policies() -> Iterable[CappingPolicy]:
    """Return the percentile floor."""
    return [PercentileFloor()]


@hookimpl
def register_judges() -> Iterable[Judge]:
    """Return the unsteered model itself."""
    return [LogProbJudge()]


@hookimpl
def register_prompt_sets() -> Iterable[PromptSet]:
    """Return the prompts that need no persona."""
    return [core_prompts()]


@hookimpl
def register_vector_dirs() -> Iterable[Path]:
    """Return the bundled vectors: inside an installed wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    return [folder for folder in (package / "vectors", package.parent / "vectors") if folder.is_dir()]
