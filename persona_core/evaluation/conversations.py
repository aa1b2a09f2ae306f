"""Conversations: measures whether a persona keeps its character, and stays readable, over the turns of a chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.messages import Message, question_messages
from persona_core.base.records import Record, read_yaml
from persona_core.evaluation import statistics
from persona_core.evaluation.answers import ReplyCondition, last_reply
from persona_core.evaluation.broken import count_kinds
from persona_core.evaluation.effect import PROMPTS, VECTORS, conditions
from persona_core.evaluation.evaluation import Evaluation
from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.language import Writing
from persona_core.evaluation.readability import (
    PLAIN,
    BrokenReply,
    Kinds,
    Rows,
    broken,
    broken_by_group,
    broken_replies,
    own_coherence,
)
from persona_core.evaluation.statistics import Interval, Scores, bootstrap, difference, mean_interval
from persona_core.model.rollouts import RolloutRequest, roll_out
from persona_core.personas.archetype import Text

READ_TURNS = (1, 5, 10)
"""The turns whose replies are judged, counted from 1."""


class Scenario(Record):
    """What the user says in one conversation, turn by turn."""

    topic: Text
    turns: tuple[Text, ...]


class Figures(Record):
    """Figures of the replies at one turn, or their change between two; intervals are over conversations."""

    identification: Interval
    centred_identification: Interval
    coherence: Interval
    broken: Interval
    echo: Interval
    """The share of a reply's 4-grams of tokens that stand in an earlier reply of the conversation."""


class TurnFigures(Figures):
    """The figures at one turn, and how many of its replies are broken in each kind."""

    turn: int
    kinds: dict[str, int]
    replies: int


class ConversationResult(Record):
    """Group -> its figures at every turn that is read, and those of the last turn less those of the first."""

    conversations: int
    groups: dict[str, list[TurnFigures]]
    change: dict[str, Figures]
    broken_replies: list[BrokenReply]


@dataclass(frozen=True)
class _Dialogue:
    """One condition in one conversation, as far as it has gone."""

    condition: ReplyCondition
    scenario: Scenario
    index: int
    replies: list[JudgedReply] = field(default_factory=list)

    def request(self, evaluation: Evaluation) -> RolloutRequest:
        """Return the user's next turn after what was said; the oldest turns go where the context has no room."""
        turn, room = len(self.replies), evaluation.model.context_length - evaluation.size.tokens
        tails = (self._messages(skipped) for skipped in range(turn + 1))
        messages = next((tail for tail in tails if evaluation.model.n_tokens(tail) <= room), self._messages(turn))
        own_seed = evaluation.seed * 1_000_003 + 1000 * self.index + turn
        return RolloutRequest(messages, "persona", self.condition.plan, own_seed)

    def _messages(self, skipped: int) -> tuple[Message, ...]:
        """Return the conversation up to the user's next turn, without its first `skipped` turns."""
        opening, *users = self.scenario.turns[skipped:]
        messages = [*question_messages(opening, self.condition.system(self.index))]
        for reply, user in zip(self.replies[skipped:], users, strict=False):
            messages += [{"role": "assistant", "content": reply.text}, *question_messages(user)]
        return tuple(messages)


@dataclass(frozen=True)
class _JudgedTurn:
    """The replies of one group at one turn; row `i` of the tensors is of persona `i`."""

    scores: Scores
    losses: Float[Tensor, "persona conversation"]
    echo: Float[Tensor, "persona conversation"]
    kinds: Kinds


def scenarios() -> list[Scenario]:
    """Return the ten conversations that the core brings, each of ten turns."""
    text = files("persona_core.evaluation").joinpath("conversations.yaml").read_text(encoding="utf-8")
    return [Scenario.model_validate(scenario) for scenario in read_yaml(text)]


def measure_conversations(evaluation: Evaluation) -> ConversationResult:
    """Let every persona hold every conversation, by vector or by system prompt, and judge a few of its replies.

    A reply is judged beside the user's turn alone, as all other replies are: what was said before would draw the judge
    into the character too. Capping policies are told of no earlier turn.
    """
    said = scenarios()[: evaluation.size.conversations]
    writing = Writing.of([turn for scenario in said for turn in scenario.turns])
    held = _hold_all(evaluation, said)
    judged: dict[int, dict[str, _JudgedTurn]] = {}
    unreadable: list[BrokenReply] = []
    for turn in READ_TURNS:
        replies = {group: rows[turn - 1] for group, rows in held.items()}
        kinds = broken_by_group(replies, writing)
        judged[turn] = {group: _judge(evaluation, held[group][:turn], kinds[group]) for group in held}
        unreadable += broken_replies(evaluation, replies, kinds)
    first, last = judged[READ_TURNS[0]], judged[READ_TURNS[-1]]
    return ConversationResult(
        conversations=len(said),
        groups={group: [_figures(evaluation, turn, judged[turn][group]) for turn in READ_TURNS] for group in held},
        change={group: _change(evaluation, first[group], last[group]) for group in held},
        broken_replies=unreadable,
    )


def _hold_all(evaluation: Evaluation, said: Sequence[Scenario]) -> dict[str, list[list[list[JudgedReply]]]]:
    """Return, group by group, what was replied turn by turn: one row a persona, and one for all unsteered."""
    groups = conditions(evaluation)
    asked = {VECTORS: groups[VECTORS], PROMPTS: groups[PROMPTS], PLAIN: [ReplyCondition(PLAIN)]}
    turns = hold(evaluation, [condition for group in asked.values() for condition in group], said)
    held, start = {}, 0
    for group, rows in asked.items():
        held[group] = [turn[start : start + len(rows)] for turn in turns]
        start += len(rows)
    return held


def hold(
    evaluation: Evaluation, conditions: Sequence[ReplyCondition], said: Sequence[Scenario]
) -> list[list[list[JudgedReply]]]:
    """Return, turn by turn, one row of replies a condition, with one reply a scenario.

    All conversations go on side by side, so that a turn's replies are sampled together.
    """
    rows = [[_Dialogue(condition, scenario, index) for index, scenario in enumerate(said)] for condition in conditions]
    dialogues = [dialogue for row in rows for dialogue in row]
    n_turns = min(len(scenario.turns) for scenario in said)
    for turn in range(n_turns):
        rollouts = roll_out(
            evaluation.model,
            [dialogue.request(evaluation) for dialogue in dialogues],
            evaluation.sampling,
            evaluation.seed,
            cache=evaluation.replies,
            progress=evaluation.progress,
            stage=f"conversations: turn {turn + 1} of {n_turns}",
        )
        for dialogue, rollout in zip(dialogues, rollouts, strict=True):
            dialogue.replies.append(last_reply(rollout))
    return [[[dialogue.replies[turn] for dialogue in row] for row in rows] for turn in range(n_turns)]


def _judge(evaluation: Evaluation, turns: Sequence[Rows], kinds: Kinds) -> _JudgedTurn:
    """Judge the replies of the last of some turns; a single row is that of every persona."""
    rows = turns[-1]
    of_everyone = rows if len(rows) > 1 else [*rows] * len(evaluation.personas)
    return _JudgedTurn(evaluation.judged(of_everyone), own_coherence(evaluation, of_everyone), _echo(turns), kinds)


def _echo(turns: Sequence[Rows]) -> Float[Tensor, "row conversation"]:
    """Return how much of each reply of the last turn was said in the same conversation before."""
    *earlier, last = turns
    return torch.tensor(
        [
            [
                statistics.echo(reply.tokens, [rows[row][index].tokens for rows in earlier])
                for index, reply in enumerate(replies)
            ]
            for row, replies in enumerate(last)
        ]
    )


def _figures(evaluation: Evaluation, turn: int, judged: _JudgedTurn) -> TurnFigures:
    seed, share = evaluation.seed, broken(judged.kinds)
    return TurnFigures(
        turn=turn,
        identification=bootstrap(judged.scores, statistics.identification, seed=seed),
        centred_identification=bootstrap(judged.scores, statistics.centred_identification, seed=seed),
        coherence=mean_interval(judged.losses, seed=seed),
        broken=mean_interval(share, seed=seed),
        echo=mean_interval(judged.echo, seed=seed),
        kinds=count_kinds([of_reply for row in judged.kinds for of_reply in row]),
        replies=share.numel(),
    )


def _change(evaluation: Evaluation, first: _JudgedTurn, last: _JudgedTurn) -> Figures:
    """Return the figures of the last turn less those of the first, in the same conversations."""
    seed, scores = evaluation.seed, (last.scores, first.scores)
    return Figures(
        identification=difference(*scores, statistics.identification, seed=seed),
        centred_identification=difference(*scores, statistics.centred_identification, seed=seed),
        coherence=mean_interval(last.losses - first.losses, seed=seed),
        broken=mean_interval(broken(last.kinds) - broken(first.kinds), seed=seed),
        echo=mean_interval(last.echo - first.echo, seed=seed),
    )
