"""Readability: every figure of a group follows from its replies, and broken ones are kept as they were said."""

from dataclasses import dataclass, replace

import pytest
import torch

from persona_core.evaluation.broken import KINDS
from persona_core.evaluation.judges import JudgedReply, LogProbJudge, plain_log_probs
from persona_core.evaluation.readability import PLAIN, measure_readability

SOUND, SHORT = "A reply of quite enough words.", "Too short."


@dataclass(frozen=True)
class NoJudge:
    """A judge that must not be asked."""

    name: str = "none"
    unit: str = "points"

    def score(self, replies, personas, model, progress=None):
        raise AssertionError("readability asks no judge of a package")


def row(evaluation, *texts):
    """Return a reply of each text to each question."""
    encode = evaluation.model.tokenizer.encode
    return [
        JudgedReply(question, text, tuple(encode(text, add_special_tokens=False)))
        for question, text in zip(evaluation.questions, texts, strict=True)
    ]


@pytest.fixture(scope="module")
def rows(evaluation):
    """One row a persona; the second persona has one broken reply."""
    return [row(evaluation, SOUND, SOUND, SOUND), row(evaluation, SOUND, SHORT, SOUND)]


@pytest.fixture(scope="module")
def result(evaluation, rows):
    """The readability of the rows beside unsteered replies."""
    return measure_readability(evaluation, {"group": rows}, evaluation.unsteered())


def test_coherence_is_the_loss_in_the_likelier_context(evaluation, rows, result):
    model = evaluation.model
    scores = torch.stack(
        [LogProbJudge().score(each, evaluation.archetypes, model)[:, i] for i, each in enumerate(rows)]
    )
    plain = torch.stack([plain_log_probs(model, each) for each in rows])
    losses = -(plain + scores.clamp_min(0))
    assert result.groups["group"].coherence.value == pytest.approx(float(losses.mean()), abs=1e-3)
    for name, of_persona in zip(evaluation.personas, losses, strict=True):
        assert result.groups["group"].coherence_of[name].value == pytest.approx(float(of_persona.mean()), abs=1e-3)


def test_another_judge_changes_nothing_of_what_a_reader_sees(evaluation, rows, result):
    judged_elsewhere = replace(evaluation, judge=NoJudge())
    again = measure_readability(judged_elsewhere, {"group": rows}, evaluation.unsteered())
    assert again == result


def test_broken_replies_are_counted_and_kept_as_they_were_said(evaluation, result):
    group = result.groups["group"]
    assert group.broken.value == pytest.approx(1 / 6, abs=1e-4)
    assert [group.broken_of[name].value for name in evaluation.personas] == pytest.approx([0, 1 / 3], abs=1e-4)
    assert group.kinds == {kind: int(kind == "under four words") for kind in KINDS}
    assert group.replies == 6
    (kept,) = [broken for broken in result.broken_replies if broken.group == "group"]
    assert (kept.persona, kept.text) == (evaluation.personas[1], SHORT)
    assert (kept.question, kept.kinds) == (evaluation.questions[1], ["under four words"])


def test_unsteered_replies_are_read_once_and_are_the_measure_of_the_topic(evaluation, result):
    plain = result.groups[PLAIN]
    assert list(result.groups) == ["group", PLAIN]
    assert plain.replies == len(evaluation.questions)
    assert plain.on_topic is None or plain.on_topic.value == pytest.approx(1, abs=1e-4)
    assert result.first_tokens.n == 100 * len(evaluation.questions)
