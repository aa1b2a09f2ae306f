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
