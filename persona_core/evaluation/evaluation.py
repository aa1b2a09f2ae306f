"""Evaluation: the model, the personas, the questions, the judge and the caches that all parts share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.files import LineCache
from persona_core.base.progress import Progress, silent
from persona_core.base.records import digest
from persona_core.engine.planning import build_plan
from persona_core.engine.request import as_request
from persona_core.evaluation.answers import ReplyCondition, answer_questions
from persona_core.evaluation.judges import Judge, JudgedReply
from persona_core.evaluation.prompt_set import PromptSet
from persona_core.evaluation.score_cache import cached_scores
from persona_core.extraction.calibration import N_QUESTIONS
from persona_core.extraction.data import evaluation_questions
from persona_core.model.decoding import Sampling
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.archetype import Archetype
from persona_core.personas.manager import PersonaManager
from persona_core.settings.config import Safety
from persona_core.steering.plan import SteeringPlan


@dataclass(frozen=True)
class Size:
    """How much an evaluation asks: questions for the effect, for each blend and for each dose, and tokens a reply."""

    questions: int = 20
    blend_questions: int = 16
    dose_questions: int = 2
    tokens: int = 48


@dataclass(frozen=True)
class Evaluation:
    """One evaluation, ready to measure. It asks questions that neither extraction nor calibration has used."""

    model: ModelWrapper
    manager: PersonaManager
    personas: tuple[str, ...]
    judge: Judge
    prompts: PromptSet
    size: Size = Size()
    seed: int = 0
    replies: LineCache | None = None
    scores: LineCache | None = None
    progress: Progress = silent

    @cached_property
    def archetypes(self) -> list[Archetype]:
        """The judging personas, in the order of `personas`; raises `ArchetypeError` where one is not installed."""
        return [self.manager.archetype(name) for name in self.personas]

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """The held-out questions."""
        return tuple(evaluation_questions(self.manager, self.personas, N_QUESTIONS))[: self.size.questions]

    @property
    def sampling(self) -> Sampling:
        """The configured sampling with the evaluation's number of tokens."""
        settings = self.model.config.generation
        return Sampling(self.size.tokens, settings.temperature, settings.top_p)

    def plan(
        self, personas: str | Mapping[str, float], strength: float | None = None, *, safety: Safety | None = None
    ) -> SteeringPlan:
        """Return the plan that `generate` would use; a setting that is not given takes the configured default."""
        request = as_request(personas, self.model.config.steering, strength, safety)
        return build_plan(self.model, self.manager, request)

    def ask(
        self, conditions: Sequence[ReplyCondition], stage: str, questions: Sequence[str] | None = None
    ) -> list[list[JudgedReply]]:
        """Return one row of replies a condition, to the held-out questions where no others are given."""
        return answer_questions(
            self.model,
            conditions,
            self.questions if questions is None else questions,
            self.sampling,
            self.seed,
            cache=self.replies,
            progress=self.progress,
            stage=stage,
        )

    def unsteered(self) -> list[JudgedReply]:
        """Return the unsteered replies to the held-out questions."""
        return self.ask([ReplyCondition("unsteered")], "unsteered replies")[0]

    def judged(self, rows: Sequence[Sequence[JudgedReply]]) -> Float[Tensor, "row question persona"]:
        """Return the judge's score of every reply under every persona."""
        replies = [reply for row in rows for reply in row]
        scores = cached_scores(self.judge, replies, self.archetypes, self.model, self.scores, self.progress)
        if not bool(torch.isfinite(scores).all()):
            raise ValueError(f"judge {self.judge.name!r} returned a score that is no number")
        return scores.view(len(rows), -1, len(self.personas))

    def smaller(self, questions: int) -> Evaluation:
        """Return the same evaluation with fewer questions."""
        return replace(self, size=replace(self.size, questions=questions))

    def digest(self) -> str:
        """Return a short hash of everything that the figures depend on."""
        headers = [self.manager.persona(name, self.model.identity).header for name in self.personas]
        determinants = [
            self.model.identity.fingerprint,
            str(self.model.dtype),
            [header.model_dump_json() for header in headers],
            [archetype.model_dump_json() for archetype in self.archetypes],
            repr(self.size),
            self.seed,
            self.judge.name,
            repr(self.judge),
            self.prompts.model_dump_json(),
            self.questions,
            self.model.config.model_dump_json(),
        ]
        return digest(json.dumps(determinants), 12)
