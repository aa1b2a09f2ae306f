"""Reply checks: assert that judges, chat commands and turn monitors keep their contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from persona_core.base.names import check_name
from persona_core.evaluation.judges import Judge
from persona_core.testing.examples import assert_is_a, close, example_persona, example_replies, example_turns

if TYPE_CHECKING:
    from torch import Tensor

    from persona_core.chat.commands import ChatCommand
    from persona_core.chat.session import ChatSession
    from persona_core.model.wrapper import ModelWrapper


def check_judge(judge: Judge, model: ModelWrapper | None = None) -> None:
    """Assert that a judge gives one finite score a reply and persona, the same twice and beside other replies.

    Scores are cached by the judge's `repr`, which must be the same in every run. A judge that reads the model needs
    `model`.
    """
    check_name(judge.name, kind="judge")
    assert judge.unit.strip(), f"{judge.name}: it has no unit; say what a score counts, as in 'nats/token'"
    assert " at 0x" not in repr(judge), f"{judge.name}: its repr differs from run to run; make it a dataclass"
    replies, personas = example_replies(model), [example_persona(name) for name in ("pirate", "monk")]
    given = cast("ModelWrapper", model)
    scores = judge.score(replies, personas, given)
    _check_scores(judge.name, scores, len(replies), len(personas))
    again = judge.score(replies, personas, given)
    same = scores.tolist() == again.tolist()
    assert same, f"{judge.name}: other scores the second time; use a fixed seed, temperature 0 and no state"
    beside = [judge.score(replies[::-1], personas, given).flip(0), judge.score(replies[:1], personas, given)]
    for other in beside:
        same = close(other, scores[: len(other)], 1e-3)
        assert same, f"{judge.name}: the score of a reply depends on the other replies; score each by itself"


def check_chat_command(command: ChatCommand, session: ChatSession | None = None) -> None:
    """Assert that a chat command's name, usage, help and completions are sound; it is not run."""
    check_name(command.name, AssertionError, "chat command")  # type: ignore[arg-type]
    slash = f"/{command.name}"
    begins = command.usage.split()[:1] == [slash]
    assert begins, f"{slash}: its usage is {command.usage!r}; begin it with {slash}, as in '{slash} [NAME]'"
    assert command.help.strip(), f"{slash}: no help; say in one line what it does"
    assert "\n" not in command.help, f"{slash}: its help has more than one line; put the rest into `details`"
    assert callable(command.run), (
        f"{slash}: run cannot be called; give a function of the session and the rest of the line"
    )
    assert callable(command.values), (
        f"{slash}: values cannot be called; leave it out, or give a function of the session"
    )
    if session is not None:
        values = dict(command.values(session))
        text = all(isinstance(word, str) for pair in values.items() for word in pair)
        assert text, f"{slash}: values returns what is not text; return a mapping of value to description, both str"


def check_turn_monitor(plugin: object) -> None:
    """Assert that a module's `before_turn` or `after_turn` is marked, and takes every turn within the time limit."""
    from persona_core.chat.monitors import TurnMonitors
    from persona_core.plugins.loading import load_plugins

    plugins = load_plugins(installed=[])
    plugins.pluggy.register(plugin, name="this package")
    plugins.pluggy.check_pending()
    monitors = TurnMonitors(plugins)
    assert monitors.any, "there is no before_turn or after_turn that is marked with @hookimpl"
    for request, turn in example_turns():
        notes = [*monitors.before(request), *monitors.after(turn, request.session)]
        assert not notes, notes[0]


def _check_scores(judge: str, scores: Tensor, n_replies: int, n_personas: int) -> None:
    import torch

    assert_is_a(torch.Tensor, scores, f"{judge}: what score returns")
    shape, expected = tuple(scores.shape), (n_replies, n_personas)
    assert shape == expected, f"{judge}: shape {shape}, not {expected}; return one row a reply and one column a persona"
    assert scores.dtype == torch.float32, f"{judge}: {scores.dtype}; it must be float32: return `scores.float()`"
    finite = torch.isfinite(scores).all()
    assert finite, f"{judge}: scores that are not finite; raise a PersonaError where a reply cannot be scored"
