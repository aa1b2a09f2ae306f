"""Coherence: a reply counts as what it is likelier to be, the assistant's or its persona's."""

import pytest
import torch

from persona_core.evaluation.coherence import coherence


def test_a_reply_in_character_is_read_under_its_prompt_and_any_other_without() -> None:
    plain, own_odds = torch.tensor([-1.5, -1.5, -0.5]), torch.tensor([0.4, -0.4, 0.0])
    assert coherence(plain, own_odds).tolist() == pytest.approx([1.1, 1.5, 0.5])


def test_coherence_is_never_above_the_loss_without_a_prompt() -> None:
    plain = -torch.rand(5, 7) - 0.1
    assert bool((coherence(plain, torch.randn(5, 7)) <= -plain).all())
