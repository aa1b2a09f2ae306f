"""Topic: replies read after another question, and what that costs as a share of unsteered replies."""

import pytest
import torch

from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.topic import to_other_questions, topic_share

ROW = [JudgedReply(f"Question {index}?", f"Reply {index}.", (index,)) for index in range(3)]


def test_each_reply_is_read_after_the_next_question() -> None:
    others = to_other_questions(ROW)
    assert [reply.question for reply in others] == ["Question 1?", "Question 2?", "Question 0?"]
    assert [reply.tokens for reply in others] == [reply.tokens for reply in ROW]


def test_the_share_is_of_what_unsteered_replies_have_on_the_same_questions() -> None:
    plain = torch.tensor([[0.2, 0.4, 0.6]])
    half = topic_share(torch.cat([plain, plain]) / 2, plain)
    assert half is not None
    assert (half.value, half.low, half.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-4)


def test_replies_that_have_nothing_to_do_with_their_questions_have_a_share_of_none() -> None:
    off = topic_share(torch.zeros(2, 3), torch.tensor([[0.2, 0.4, 0.6]]))
    assert off is not None
    assert (off.low, off.value, off.high) == (0, 0, 0)


def test_a_model_without_a_topic_has_no_share() -> None:
    assert topic_share(torch.ones(2, 3), torch.tensor([[-0.2, 0.1, 0.0]])) is None
