"""Judges: score how much a reply sounds like each persona; the default judge is the unsteered model itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from persona_core.base.messages import question_messages
from persona_core.base.progress import Progress, silent
from persona_core.personas.archetype import Archetype

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from persona_core.model.wrapper import ModelWrapper


@dataclass(frozen=True)
class JudgedReply:
    """A question and its reply, as text and as the sampled tokens."""

    question: str
    text: str
    tokens: tuple[int, ...]


class Judge(Protocol):
    """Scores replies: 0 sounds like the default assistant, a higher score more like the persona.

    The cache keeps scores by the judge's `repr`, which must hold every setting that changes a score, and no secret.
    """

    @property
    def name(self) -> str:
        """The name that `persona-steer eval --judge` takes."""
        ...

    @property
    def unit(self) -> str:
        """The unit of a score, for labels: `nats/token`."""
        ...

    def score(
        self,
        replies: Sequence[JudgedReply],
        personas: Sequence[Archetype],
        model: ModelWrapper,
        progress: Progress = silent,
    ) -> Float[Tensor, "reply persona"]:
        """Return one score for every reply and persona; the same replies always get the same scores."""
        ...


def plain_log_probs(model: ModelWrapper, replies: Sequence[JudgedReply], system: str = "") -> Float[Tensor, "reply"]:
    """Return the mean log-probability per token, in nats, of each reply under the unsteered model."""
    from persona_core.model.scoring import reply_log_probs

    prompts = [model.encode(question_messages(reply.question, system)) for reply in replies]
    return reply_log_probs(model, prompts, [reply.tokens for reply in replies])


@dataclass(frozen=True)
class LogProbJudge:
    """`log p(reply | persona's system prompt) - log p(reply | no system prompt)` of the unsteered model, per token.

    It takes the mean over a persona's first `n_prompts` judging prompts, and needs no other model and no network.
    """

    n_prompts: int = 2
    name: str = "log-prob"
    unit: str = "nats/token"
    plain: Callable[[ModelWrapper, Sequence[JudgedReply]], Float[Tensor, "reply"]] = field(
        default=plain_log_probs, repr=False, compare=False
    )
    """Where log-probabilities without a system prompt come from: an evaluation has read them already."""

    def score(
        self,
        replies: Sequence[JudgedReply],
        personas: Sequence[Archetype],
        model: ModelWrapper,
        progress: Progress = silent,
    ) -> Float[Tensor, "reply persona"]:
        """Return the log-odds of each persona against the default assistant, in nats per token."""
        import torch

        systems = {persona.name: judging_prompts(persona, self.n_prompts) for persona in personas}
        total, done = 1 + sum(map(len, systems.values())), 1
        plain = self.plain(model, replies)
        columns = []
        for prompts in systems.values():
            rows = []
            for system in prompts:
                progress("judging replies", done, total)
                rows.append(plain_log_probs(model, replies, system))
                done += 1
            columns.append(torch.stack(rows).mean(0) - plain)
        progress("judging replies", total, total)
        return torch.stack(columns, -1)


def judging_prompts(persona: Archetype, n: int) -> tuple[str, ...]:
    """Return the first `n` judge prompts of a persona; of one that has none, its first `n` system prompts."""
    return (persona.judge_prompts or persona.system_prompts)[:n]
