"""Evaluation: the model, the personas, the questions, the judge and the caches that all parts share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from persona_core.evaluation.judges import Judge, JudgedReply, LogProbJudge
from persona_core.evaluation.log_probs import cached_log_probs, log_prob_cache
from persona_core.evaluation.prompt_set import PromptSet
from persona_core.evaluation.score_cache import cached_scores
from persona_core.extraction.data import evaluation_questions
from persona_core.model.decoding import Sampling
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.archetype import Archetype
from persona_core.personas.manager import PersonaManager
from persona_core.settings.config import Safety
from persona_core.steering.plan import SteeringPlan


@dataclass(frozen=True)
class Size:
    """How much an evaluation asks: questions for the effect, each blend and each dose, conversations, and tokens."""

    questions: int = 20
    blend_questions: int = 16
    dose_questions: int = 2
    conversations: int = 10
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
    log_probs: LineCache = field(default_factory=log_prob_cache)
    progress: Progress = silent

    @cached_property
    def archetypes(self) -> list[Archetype]:
        """The judging personas, in the order of `personas`; raises `ArchetypeError` where one is not installed."""
        return [self.manager.archetype(name) for name in self.personas]

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """The held-out questions."""
        return tuple(evaluation_questions(self.manager, self.personas))[: self.size.questions]

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
        scores = self._scores(self.judge, replies, self.archetypes)
        if not bool(torch.isfinite(scores).all()):
            raise ValueError(f"judge {self.judge.name!r} returned a score that is no number")
        return scores.view(len(rows), -1, len(self.personas))

    def own_odds(self, rows: Sequence[Sequence[JudgedReply]]) -> Float[Tensor, "persona question"]:
        """Return how much likelier each reply is under its persona's judge prompts than under none, in nats a token.

        Row `i` is of persona `i`. These are scores of the default judge; beside another judge only they are read.
        """
        if isinstance(self.judge, LogProbJudge):
            return self.judged(rows).diagonal(dim1=0, dim2=2).T
        by_persona = zip(rows, self.archetypes, strict=True)
        return torch.stack([self._scores(LogProbJudge(), row, [archetype])[:, 0] for row, archetype in by_persona])

    def plain_log_probs(self, rows: Sequence[Sequence[JudgedReply]]) -> Float[Tensor, "row question"]:
        """Return the mean log-probability per token of each reply, unsteered and without a system prompt, in nats."""
        replies = [reply for row in rows for reply in row]
        return torch.stack([log_probs.mean() for log_probs in self._token_log_probs(replies)]).view(len(rows), -1)

    def first_log_probs(self, rows: Sequence[Sequence[JudgedReply]]) -> Float[Tensor, "row question"]:
        """Return the log-probability of each reply's first token, unsteered and without a system prompt, in nats."""
        replies = [reply for row in rows for reply in row]
        return torch.stack([log_probs[0] for log_probs in self._token_log_probs(replies)]).view(len(rows), -1)

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

    def _scores(
        self, judge: Judge, replies: Sequence[JudgedReply], personas: Sequence[Archetype]
    ) -> Float[Tensor, "reply persona"]:
        """Return a judge's scores; the default judge gets from here what was read without a system prompt."""
        if isinstance(judge, LogProbJudge):
            judge = replace(judge, plain=lambda _, asked: self.plain_log_probs([asked])[0])
        return cached_scores(judge, replies, personas, self.model, self.scores, self.progress)

    def _token_log_probs(self, replies: Sequence[JudgedReply]) -> list[Float[Tensor, "token"]]:
        return cached_log_probs(self.model, replies, self.log_probs, self.progress)
