"""`load` and `unload` change the active set, which lasts from run to run."""

import json
from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]


def test_active_set_lasts_from_run_to_run(run: Run) -> None:
    assert run("load", "sage", "trickster").stdout == "active set: sage, trickster\n"
    assert [row["name"] for row in json.loads(run("list", "--loaded", "--json").stdout)] == ["sage", "trickster"]
    assert run("unload", "sage").stdout == "active set: trickster\n"
    assert "chef" not in run("list", "--loaded").stdout
    assert run("unload", "--all").stdout == "active set: empty\n"


def test_a_persona_that_is_not_there_changes_nothing(run: Run) -> None:
    run("load", "sage")
    assert "did you mean 'trickster'" in run("load", "tricksta", code=1).stderr
    assert "'trickster' is not in the active set; known: sage" in run("unload", "trickster", code=1).stderr
    assert "name the personas, or give --all" in run("unload", code=2).stderr
    assert [row["name"] for row in json.loads(run("list", "--loaded", "--json").stdout)] == ["sage"]
