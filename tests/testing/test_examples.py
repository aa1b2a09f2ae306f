"""Examples are the same each time, and need neither a model nor torch before they are made."""

import subprocess
import sys

import torch

from persona_core.testing import example_axis, example_context, example_replies, example_turns, example_vector


def test_examples_are_the_same_each_time_and_differ_by_name() -> None:
    sage, again, joker = (example_vector(name) for name in ("sage", "sage", "trickster"))
    assert torch.equal(sage.directions, again.directions)
    assert not torch.allclose(sage.directions, joker.directions)
    assert sage.displacement().any(dim=1).nonzero().flatten().tolist() == list(sage.header.target_layers)


def test_an_example_axis_has_unit_directions_and_rising_percentiles() -> None:
    axis = example_axis("safety", n_layers=4, hidden=8)
    assert torch.allclose(axis.directions.norm(dim=1), torch.ones(4))
    assert (axis.percentile(1.0) < axis.percentile(25.0)).all()
    assert set(example_context().axes) == {"safety", "assistant"}


def test_example_replies_and_turns_need_no_model() -> None:
    assert [bytes(reply.tokens).decode() for reply in example_replies()] == [reply.text for reply in example_replies()]
    (steered, unsteered) = example_turns()
    assert steered[1].receipt.personas == steered[0].personas == {"sage": 0.5, "trickster": 0.3}
    assert unsteered[1].receipt.personas == {}


def test_importing_the_checks_does_not_import_torch() -> None:
    code = "import sys, persona_core.testing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
