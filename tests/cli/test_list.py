"""`list` shows the personas there are, and those that `load` has named."""

import json
from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]


BASE = ["creator", "explorer", "guardian", "sage", "trickster"]


def test_list_shows_extracted_personas_and_archetypes(run: Run) -> None:
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert all(rows[name]["dose"] > 0 for name in BASE)
    assert rows["chef"]["extracted_for"] is None
    assert "not extracted" in run("list").stdout


def test_active_set_lasts_from_run_to_run(run: Run) -> None:
    assert run("load", "sage", "trickster").stdout == "active set: sage, trickster\n"
    assert [row["name"] for row in json.loads(run("list", "--loaded", "--json").stdout)] == ["sage", "trickster"]
    assert run("unload", "sage").stdout == "active set: trickster\n"
    assert "chef" not in run("list", "--loaded").stdout
    assert run("unload", "--all").stdout == "active set: empty\n"
