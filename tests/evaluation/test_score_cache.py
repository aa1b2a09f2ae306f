"""Score cache: a judge is asked once for each reply, in chunks, and never again after a kill."""

from dataclasses import dataclass, field

import pytest
import torch

from persona_core.evaluation.judges import JudgedReply
from persona_core.evaluation.score_cache import cached_scores, score_cache
from persona_core.personas.archetype import Archetype

PERSONAS = [Archetype(name=name, description=name, system_prompts=(f"You are {name}.",)) for name in ("a", "b")]


@dataclass(frozen=True)
class Counting:
    """A judge whose score is the reply's length, and that writes down how many it was asked for each time."""

    name: str = "counting"
    unit: str = "points"
    asked: list = field(default_factory=list, repr=False)

    def score(self, replies, personas, model, progress=None):
        self.asked.append(len(replies))
        return torch.tensor([[float(len(reply.text))] * len(personas) for reply in replies])


def replies(n):
    """Return replies of different length."""
    return [JudgedReply("q", "x" * (index + 1), (index,)) for index in range(n)]


def test_each_reply_is_scored_once_and_a_second_run_asks_nothing(tiny_engine, tmp_path):
    judge, path = Counting(), tmp_path / "scores.jsonl"
    asked = [*replies(3), replies(1)[0]]
    first = cached_scores(judge, asked, PERSONAS, tiny_engine.model, score_cache(path))
    assert first.tolist() == [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [1.0, 1.0]]
    assert judge.asked == [3]
    again = cached_scores(judge, asked, PERSONAS, tiny_engine.model, score_cache(path))
    assert torch.equal(again, first)
    assert judge.asked == [3]


def test_a_chunk_that_was_scored_before_a_failure_is_kept(tiny_engine, tmp_path):
    @dataclass(frozen=True)
    class Failing(Counting):
        def score(self, replies, personas, model, progress=None):
            if self.asked:
                raise ConnectionError("the endpoint is gone")
            return super().score(replies, personas, model)

    path = tmp_path / "scores.jsonl"
    with pytest.raises(ConnectionError):
        cached_scores(Failing(), replies(70), PERSONAS, tiny_engine.model, score_cache(path))
    assert len(score_cache(path).entries) == 64


@pytest.mark.parametrize("change", ["persona", "tokens", "question"])
def test_scores_of_something_else_are_not_taken(tiny_engine, change):
    judge, cache = Counting(), score_cache(None)
    cached_scores(judge, replies(1), PERSONAS, tiny_engine.model, cache)
    personas, reply = PERSONAS, replies(1)[0]
    if change == "persona":
        personas = [PERSONAS[0].model_copy(update={"system_prompts": ("Be b.",)}), PERSONAS[1]]
    if change == "tokens":
        reply = JudgedReply("q", "x", (7,))
    if change == "question":
        reply = JudgedReply("another", "x", (0,))
    cached_scores(judge, [reply], personas, tiny_engine.model, cache)
    assert judge.asked == [1, 1]
