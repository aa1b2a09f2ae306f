"""Answers: samples a reply to every question under every condition, and keeps finished replies on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from persona_core.base.files import LineCache
from persona_core.base.messages import question_messages
from persona_core.base.progress import Progress, silent
from persona_core.evaluation.judges import JudgedReply
from persona_core.model.decoding import Sampling
from persona_core.model.rollouts import Rollout, RolloutRequest, roll_out
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.plan import UNSTEERED, SteeringPlan


@dataclass(frozen=True)
class ReplyCondition:
    """How the model replies: under a plan, under system prompts that the questions take in turn, or under neither."""

    name: str
    plan: SteeringPlan = UNSTEERED
    systems: tuple[str, ...] = ("",)

    def system(self, index: int) -> str:
        """Return the system prompt of the question with this index."""
        return self.systems[index % len(self.systems)]


def answer_questions(
    model: ModelWrapper,
    conditions: Sequence[ReplyCondition],
    questions: Sequence[str],
    sampling: Sampling,
    seed: int,
    *,
    cache: LineCache | None = None,
    progress: Progress = silent,
    stage: str = "replies",
) -> list[list[JudgedReply]]:
    """Return one row of replies a condition. A question has the same seed under every condition."""
    requests = [
        RolloutRequest(
            question_messages(question, condition.system(index)), "persona", condition.plan, seed * 1_000_003 + index
        )
        for condition in conditions
        for index, question in enumerate(questions)
    ]
    rollouts = roll_out(model, requests, sampling, seed, cache=cache, progress=progress, stage=stage)
    replies = [last_reply(rollout) for rollout in rollouts]
    n = len(questions)
    return [replies[start : start + n] for start in range(0, len(replies), n)]


def last_reply(rollout: Rollout) -> JudgedReply:
    """Return what a judge reads of a rollout: the user's last message and the reply to it."""
    asked = rollout.messages[-1]["content"]
    return JudgedReply(asked, rollout.response, rollout.token_ids[rollout.response_start :])
