"""Answers: system prompts in turn, the same seed for a question under every condition, and a cache."""

from persona_core.base.files import LineCache
from persona_core.evaluation.answers import ReplyCondition, answer_questions
from persona_core.model.decoding import Sampling
from persona_core.model.rollouts import reply_cache

QUESTIONS = ("What is fire?", "What is rain?", "What is bread?")
SAMPLING = Sampling(4, 1.0)


def test_questions_take_the_system_prompts_in_turn():
    condition = ReplyCondition("prompts", systems=("one", "two"))
    assert [condition.system(index) for index in range(3)] == ["one", "two", "one"]


def test_the_same_condition_twice_replies_the_same_with_any_seed_but_another(tiny_engine):
    conditions = [ReplyCondition("one"), ReplyCondition("again")]
    one, again = answer_questions(tiny_engine.model, conditions, QUESTIONS, SAMPLING, seed=3)
    assert [reply.tokens for reply in one] == [reply.tokens for reply in again]
    (other,) = answer_questions(tiny_engine.model, conditions[:1], QUESTIONS, SAMPLING, seed=4)
    assert [reply.tokens for reply in other] != [reply.tokens for reply in one]


def test_replies_hold_the_question_and_the_tokens_of_the_reply_alone(tiny_engine):
    (row,) = answer_questions(tiny_engine.model, [ReplyCondition("one")], QUESTIONS, SAMPLING, seed=0)
    assert [reply.question for reply in row] == list(QUESTIONS)
    for reply in row:
        assert len(reply.tokens) == 4
        assert reply.text == tiny_engine.model.decode(list(reply.tokens))


def test_replies_that_are_kept_are_not_sampled_again(tiny_engine, tmp_path):
    path, asked = tmp_path / "replies.jsonl", [ReplyCondition("one")]
    first = answer_questions(tiny_engine.model, asked, QUESTIONS[:2], SAMPLING, 0, cache=reply_cache(path))
    kept = path.read_text()
    cache: LineCache = reply_cache(path)
    assert answer_questions(tiny_engine.model, asked, QUESTIONS[:2], SAMPLING, 0, cache=cache) == first
    assert path.read_text() == kept
