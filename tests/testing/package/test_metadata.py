"""What a package leaves out of its metadata is named, and how to add it."""

from collections.abc import Callable

import pytest
from packages import METADATA, returning

Check = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.mark.slow
def test_metadata_that_is_missing_is_named(check: Check) -> None:
    metadata = (
        "Metadata-Version: 2.4\nName: persona-bad\nVersion: 0.0.0\nRequires-Dist: no-such-thing>=2; extra == 'x'\n"
    )
    code, findings = check(returning("[]"), metadata)
    assert code == 1
    missing = {"version", "licence", "readme", "dependencies"}
    assert {name for name in missing if findings[name]["status"] == "FAILED"} == missing
    assert 'readme = "README.md"' in findings["readme"]["mend"]
    assert findings["types"]["status"] == "advice"
    needs = METADATA.replace("\n\n", "\nRequires-Dist: no-such-thing>=2\n\n")
    _, findings = check(returning("[]"), needs)
    assert findings["dependencies"]["said"].startswith("no-such-thing>=2 is not installed here")
    assert findings["dependencies"]["mend"] == "python -m pip install 'no-such-thing>=2'"
