"""The checks of judges, commands and monitors accept what is built in, and reject one wrong object for each promise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch

from persona_core.base.progress import Progress, silent
from persona_core.chat.commands import ChatCommand
from persona_core.chat.session import ChatSession
from persona_core.errors import PersonaError
from persona_core.evaluation.judges import JudgedReply, LogProbJudge
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.archetype import Archetype
from persona_core.testing import check_chat_command, check_judge

NAN = float("nan")
SAYS_WHAT_TO_DO = r"^.+; .{15,}"
"""What is wrong, a semicolon, and how to mend it."""
COMMAND = ChatCommand("shout", "/shout TEXT", "say it loudly", lambda session, value: value.upper())


@dataclass(frozen=True)
class Lengths:
    """A judge that scores by the lengths of texts, with its scores changed."""

    change: Callable[[torch.Tensor], torch.Tensor] = field(default=lambda scores: scores, repr=False)
    name: str = "lengths"
    unit: str = "letters"

    def score(
        self,
        replies: Sequence[JudgedReply],
        personas: Sequence[Archetype],
        model: ModelWrapper,
        progress: Progress = silent,
    ) -> torch.Tensor:
        return self.change(torch.tensor([[len(r.text) / len(p.description) for p in personas] for r in replies]))


BAD_JUDGES = {
    "other shape": Lengths(lambda scores: scores[:, 1:]),
    "transposed": Lengths(lambda scores: scores.T),
    "not finite": Lengths(lambda scores: scores * NAN),
    "float64": Lengths(lambda scores: scores.double()),
    "random": Lengths(lambda scores: scores + torch.rand(1)),
    "relative to the other replies": Lengths(lambda scores: scores - scores.mean(0)),
    "order counts": Lengths(lambda scores: scores.cumsum(0)),
    "no unit": Lengths(unit=" "),
}


def test_a_judge_that_scores_each_reply_by_itself_is_accepted() -> None:
    check_judge(Lengths())


def test_the_judge_that_is_the_unsteered_model_is_accepted(model: ModelWrapper) -> None:
    check_judge(LogProbJudge(), model)


@pytest.mark.parametrize("judge", BAD_JUDGES.values(), ids=BAD_JUDGES)
def test_a_wrong_judge_is_rejected(judge: Lengths) -> None:
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_judge(judge)


def test_a_result_of_another_type_is_named() -> None:
    with pytest.raises(AssertionError, match=r"list; it must be a torch\.Tensor"):
        check_judge(Lengths(lambda scores: scores.tolist()))


def test_a_judge_whose_repr_is_an_address_is_rejected() -> None:
    class Plain(Lengths):
        __repr__ = object.__repr__

    with pytest.raises(AssertionError, match="make it a dataclass"):
        check_judge(Plain())


def test_a_name_that_nobody_can_type_is_rejected() -> None:
    with pytest.raises(PersonaError, match="is not a"):
        check_judge(Lengths(name="log prob"))
    with pytest.raises(AssertionError, match="is not a"):
        check_chat_command(replace(COMMAND, name="Shout!"))


@pytest.mark.parametrize(
    "changes", [{"usage": "shout TEXT"}, {"help": " "}, {"help": "one\ntwo"}, {"run": "upper"}, {"values": {}}]
)
def test_a_wrong_chat_command_is_rejected(changes: dict[str, object]) -> None:
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_chat_command(replace(COMMAND, **changes))


def test_what_a_chat_command_completes_must_be_text(tiny_chat: ChatSession) -> None:
    check_chat_command(replace(COMMAND, values=lambda session: {"now": "at once"}), tiny_chat)
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_chat_command(replace(COMMAND, values=lambda session: {"now": 1}), tiny_chat)
