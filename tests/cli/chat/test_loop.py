"""The loop takes every slash command through a pipe, and goes on after wrong ones."""

from collections.abc import Callable

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.mark.usefixtures("model")
def test_chat_through_a_pipe_takes_every_slash_command(run: Run) -> None:
    lines = [
        "/help", "/list", "/status", "/persona sage", "What is fire?", "/strength 0.5", "/safety off",
        "/blend sage:0.5,trickster:0.3", "And water?", "/safety on", "/none", "/persona sgae", "/strength much",
        "/strength 9", "/blnd", "/xyz", "/persona", "/blend sage", "/blend sage:-1,trickster:1", "/safety maybe",
        "/persona chef", "/status", "/quit", "never read",
    ]  # fmt: skip
    result = run("chat", "--max-new-tokens", "6", "--allow-unsafe", stdin="\n".join(lines) + "\n")
    assert "/strength 0.0-2.0" in result.stdout
    assert "persona sage; strength 1, guidance 2; safety on; 0 turns" in result.stdout
    assert "persona sage 0.5 + trickster 0.3; strength 0.5, guidance 2; safety OFF; 1 turn" in result.stdout
    assert "persona none; strength 0.5, guidance 2; safety on; 2 turns" in result.stdout
    assert result.stderr.count("[sage") == 2
    says = [
        "did you mean 'sage'?", "0.0-2.0, not 'much'", "9 is out of range: use 0.0-2.0", "did you mean /blend?",
        "no command /xyz; /help lists the commands", "/persona takes a name", "'sage' in the blend has no weight",
        "the weight of 'sage' is -1", "takes on, always or off, not 'maybe'", "run `persona-steer extract chef`",
    ]  # fmt: skip
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert [words for words, error in zip(says, errors, strict=True) if words not in error] == []
