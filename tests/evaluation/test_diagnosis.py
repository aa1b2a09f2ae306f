"""The diagnosis passes on a whole model, and every check fails where its promise is broken."""

import pytest
import torch

from persona_core import SteeringEngine
from persona_core.evaluation.diagnosis import Diagnosis, difference
from persona_core.model import decoding
from persona_core.steering.layer import ArmedLayer


def failed(engine: SteeringEngine) -> set[str]:
    return {finding.name for finding in Diagnosis(engine.model).findings() if not finding.ok}


def test_a_whole_model_is_as_promised(tiny_engine: SteeringEngine) -> None:
    findings = list(Diagnosis(tiny_engine.model).findings())
    assert [finding.detail for finding in findings] == ["yes"] * 5
    assert not any(finding.advice for finding in findings)


def test_a_model_that_is_not_steered_fails(tiny_engine: SteeringEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "arm_rows", lambda model, rows: {})
    names = failed(tiny_engine)
    assert "the floor holds at the next block" in names
    assert "unsteered replies are transformers' own" not in names


def test_a_model_that_is_changed_unsteered_fails(tiny_engine: SteeringEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = tiny_engine.model.forward
    monkeypatch.setattr(tiny_engine.model, "forward", lambda *args, **kwargs: -forward(*args, **kwargs))
    assert "unsteered replies are transformers' own" in failed(tiny_engine)


def test_an_addition_of_another_length_fails(tiny_engine: SteeringEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    steer = ArmedLayer._steer

    def stray(self, wide, dtype):
        return steer(self, wide + torch.arange(wide.shape[-1]), dtype)

    monkeypatch.setattr(ArmedLayer, "_steer", stray)
    assert "steering is what plain hooks do" in failed(tiny_engine)


def test_a_row_that_depends_on_its_batch_fails(tiny_engine: SteeringEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = tiny_engine.model.forward

    def leaking(ids, **kwargs):
        logits = forward(ids, **kwargs)
        return logits if len(ids) == 1 else -logits

    monkeypatch.setattr(tiny_engine.model, "forward", leaking)
    assert failed(tiny_engine) == {"a row of a batch is as alone"}


def test_the_first_token_that_differs_is_named() -> None:
    assert difference([1, 2], [1, 2]) == ""
    assert difference([1, 2], [1, 3]) == "token 2 of 2 differs"
    assert difference([1], [1, 3]) == "token 2 of 2 differs"
