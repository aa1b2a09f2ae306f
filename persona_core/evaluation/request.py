"""EvaluationRequest: says what to measure of which personas; `measure` loads the model and carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from persona_core.base.names import suggestion
from persona_core.base.progress import Progress, silent
from persona_core.errors import PluginError, VectorNotFound
from persona_core.evaluation.evaluation import Evaluation, Size
from persona_core.evaluation.log_probs import log_prob_cache
from persona_core.evaluation.prompt_set import PromptSet, join
from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.run import PARTS, evaluate
from persona_core.evaluation.score_cache import score_cache
from persona_core.model.rollouts import reply_cache
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.manager import PersonaManager

PART_NAMES = tuple(part.field for part in PARTS)


@dataclass(frozen=True)
class EvaluationRequest:
    """What a user asks an evaluation for; nothing of it is loaded yet.

    Without parts all are measured, without prompt sets all registered ones are used. `size` replaces fields of `Size`.
    """

    personas: tuple[str, ...]
    parts: tuple[str, ...] = ()
    judge: str = "log-prob"
    prompt_sets: tuple[str, ...] = ()
    size: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in PART_NAMES:
                raise PluginError(f"no part {part!r}{suggestion(part, PART_NAMES)}; parts are {', '.join(PART_NAMES)}")


def judging_personas(manager: PersonaManager, names: Sequence[str]) -> tuple[str, ...]:
    """Return the personas to evaluate: those named, or the reference personas.

    Raises `VectorNotFound` where one is not extracted or fewer than two are named.
    """
    personas = tuple(names) or tuple(sorted(manager.config.extraction.reference_archetypes))
    for name in personas:
        manager.require(name)
        manager.archetype(name)
    if len(set(personas)) < 2:
        raise VectorNotFound("an evaluation compares personas: name two or more different ones")
    return personas


def measure(
    request: EvaluationRequest,
    manager: PersonaManager,
    load_model: Callable[[], ModelWrapper],
    progress: Progress = silent,
) -> EvaluationReport:
    """Load the model, measure, and keep the report in the workspace; a killed run goes on where it was.

    Raises `PluginError`, before the model is loaded, for a judge or a prompt set that no package brings.
    """
    workspace = manager.workspace
    prompts = _prompts(manager, request.prompt_sets)
    judge = manager.plugins.find("register_judges", request.judge, "judge")
    evaluation = Evaluation(
        model=load_model(),
        manager=manager,
        personas=request.personas,
        judge=judge,
        prompts=prompts,
        size=Size(**request.size),
        seed=request.seed,
        replies=reply_cache(workspace.evaluation_replies(manager.slug)),
        scores=score_cache(workspace.evaluation_scores(manager.slug)),
        log_probs=log_prob_cache(workspace.evaluation_log_probs(manager.slug)),
        progress=progress,
    )
    return evaluate(evaluation, request.parts)


def _prompts(manager: PersonaManager, names: Sequence[str]) -> PromptSet:
    """Return the named prompt sets, or all registered ones, as one."""
    sets = names or tuple(manager.plugins.registry("register_prompt_sets"))
    return join([manager.plugins.find("register_prompt_sets", name, "prompt set") for name in sets])
