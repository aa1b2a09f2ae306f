"""The listing names each package with what it registered."""

import json
from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]


BASE = ["creator", "explorer", "guardian", "sage", "trickster"]


def test_plugins_lists_packages_with_what_they_registered(run: Run) -> None:
    rows = {row["package"]: row for row in json.loads(run("plugins", "--json").stdout)}
    brought = {"register_archetypes": BASE, "register_prompt_sets": ["base-voices"]}
    assert rows["persona-archetypes-base"]["registered"] == brought
    assert "smollm2" in run("plugins").stdout
    assert not any(row["error"] for row in rows.values())
