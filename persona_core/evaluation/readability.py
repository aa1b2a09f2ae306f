"""Readability: what a reader sees of replies whoever speaks: coherence, broken ones, first tokens, and the topic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.records import Record
from persona_core.evaluation.broken import broken_kinds, count_kinds
from persona_core.evaluation.coherence import coherence
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.first_tokens import FirstTokens, first_tokens
from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.language import Writing
from persona_core.evaluation.statistics import Interval, mean_interval
from persona_core.evaluation.topic import to_other_questions, topic_share

PLAIN = "unsteered"
Rows = Sequence[Sequence[JudgedReply]]
"""One row of replies a persona, in the evaluation's order."""
Kinds = Sequence[Sequence[tuple[str, ...]]]
"""The kinds in which each reply of each row is broken."""


class Readability(Record):
    """What a reader sees of one group's replies.

    Coherence is the negative log-likelihood in nats a token under the likelier of two contexts, unsteered and the own
    persona's judge prompts; of unsteered replies, which are the same for every persona, it is the mean over personas.
    """

    coherence: Interval
    broken: Interval
    first_token_faults: Interval
    on_topic: Interval | None
    kinds: dict[str, int]
    """kind -> how many replies are broken in it; one that is broken in two counts for both."""
    replies: int
    coherence_of: dict[str, Interval]
    broken_of: dict[str, Interval]


class BrokenReply(Record):
    """A broken reply as it was said: whose, to which question, and in which kinds it is broken."""

    group: str
    persona: str
    question: str
    kinds: list[str]
    text: str


class ReadabilityResult(Record):
    """The figures of every group, what they are compared with, and every broken reply."""

    groups: dict[str, Readability]
    first_tokens: FirstTokens
    broken_replies: list[BrokenReply]


@dataclass(frozen=True)
class _Compared:
    """What the replies of every group are compared with."""

    first: FirstTokens
    plain_gaps: Float[Tensor, "persona question"]


def measure_readability(
    evaluation: Evaluation, groups: Mapping[str, Rows], plain: Sequence[JudgedReply]
) -> ReadabilityResult:
    """Read the replies of every group beside the unsteered ones."""
    first = first_tokens(evaluation.model, evaluation.questions, evaluation.sampling, evaluation.seed)
    spoken = {**groups, PLAIN: [plain]}
    kinds = broken_by_group(spoken, Writing.of(evaluation.questions))
    rows = {**groups, PLAIN: [plain] * len(evaluation.personas)}
    compared = _Compared(first, _topic_gaps(evaluation, rows[PLAIN]))
    return ReadabilityResult(
        groups={group: _group(evaluation, rows[group], kinds[group], compared) for group in rows},
        first_tokens=first,
        broken_replies=broken_replies(evaluation, spoken, kinds),
    )


def broken_by_group(groups: Mapping[str, Rows], writing: Writing) -> dict[str, Kinds]:
    """Return for every reply of every group the kinds in which it is broken."""
    return {group: [[broken_kinds(reply, writing) for reply in row] for row in rows] for group, rows in groups.items()}


def broken(kinds: Kinds) -> Float[Tensor, "row question"]:
    """Return 1 for every broken reply and 0 for every other."""
    return torch.tensor([[float(bool(of_reply)) for of_reply in row] for row in kinds])


def broken_replies(evaluation: Evaluation, groups: Mapping[str, Rows], kinds: Mapping[str, Kinds]) -> list[BrokenReply]:
    """Return every broken reply of every group as it was said."""
    return [reply for group in groups for reply in _broken_in(evaluation, group, groups[group], kinds[group])]


def own_coherence(evaluation: Evaluation, rows: Rows) -> Float[Tensor, "persona question"]:
    """Return the coherence of every reply, in nats a token."""
    return coherence(evaluation.plain_log_probs(rows), evaluation.own_odds(rows))


def _group(evaluation: Evaluation, rows: Rows, kinds: Kinds, compared: _Compared) -> Readability:
    """Return a group's figures; `kinds` has one row for all personas where all of them share the replies."""
    seed, losses, share = evaluation.seed, own_coherence(evaluation, rows), broken(kinds)
    faults = compared.first.faults(evaluation.first_log_probs(rows))
    return Readability(
        coherence=mean_interval(losses, seed=seed),
        broken=mean_interval(share, seed=seed),
        first_token_faults=mean_interval(faults, seed=seed),
        on_topic=topic_share(_topic_gaps(evaluation, rows), compared.plain_gaps, seed=seed),
        kinds=count_kinds([of_reply for row in kinds for of_reply in row]),
        replies=share.numel(),
        coherence_of=_by_persona(evaluation, losses),
        broken_of=_by_persona(evaluation, share.expand(len(rows), -1)),
    )


def _topic_gaps(evaluation: Evaluation, rows: Rows) -> Float[Tensor, "persona question"]:
    """Return how much likelier each reply is after its question than after another one, in nats a token."""
    others = [to_other_questions(row) for row in rows]
    return evaluation.plain_log_probs(rows) - evaluation.plain_log_probs(others)


def _by_persona(evaluation: Evaluation, values: Float[Tensor, "persona question"]) -> dict[str, Interval]:
    rows = zip(evaluation.personas, values, strict=True)
    return {name: mean_interval(row, seed=evaluation.seed) for name, row in rows}


def _broken_in(evaluation: Evaluation, group: str, rows: Rows, kinds: Kinds) -> Iterator[BrokenReply]:
    names = ("-",) if group == PLAIN else evaluation.personas
    for persona, row, of_row in zip(names, rows, kinds, strict=True):
        for reply, of_reply in zip(row, of_row, strict=True):
            if of_reply:
                said = {"question": reply.question, "kinds": list(of_reply), "text": reply.text}
                yield BrokenReply(group=group, persona=persona, **said)
